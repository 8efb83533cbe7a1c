// The table of applications. Of a long one only the rows in sight are drawn.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { applicationPath } from '../../client.ts';
import * as keys from '../../keys.ts';
import { lines as linesOf, type Known, type Line, type Row } from '../../list.ts';
import { ActionDialog, type Subject } from '../../parts/actions.tsx';
import { Mark } from '../../parts/mark.tsx';
import { link } from '../../route.ts';
import { inSight, tops, wholeUpTo, type Heights } from '../../sight.ts';
import { severity } from '../../words.ts';
import { RowView } from './row.tsx';

/** So many rows are drawn above and below what is seen. */
const around = 12;
/** So many rows before the end of what is loaded, the next part is asked for. */
const ahead = 300;

/** A cell over all columns must not make more of them than the style sheet shows. */
const middling = window.matchMedia('(max-width: 1100px)');
const columns = signal(middling.matches ? 5 : 7);
middling.addEventListener('change', () => {
  columns.value = middling.matches ? 5 : 7;
});

interface Props {
  known: Known;
  sort: string;
  query: string;
  /** Whether these are the rows that are asked for, and not the ones before them. */
  isCurrent: boolean;
  more: () => void;
}

export function Table({ known, sort, query, isCurrent, more }: Props) {
  const [whole, setWhole] = useState(false);
  const [active, setActive] = useState<string>();
  const lines = useMemo(() => linesOf(known, sort === '' || sort === 'severity'), [known, sort]);
  const windowed = lines.length > wholeUpTo && !whole;
  const sight = useSight(lines, windowed);
  const { first, end, body } = sight;

  // The next part is there before its rows are in sight.
  useEffect(() => {
    if (known.next !== undefined && (whole || end > lines.length - ahead)) more();
  }, [known, whole, end]);

  // A row that is to be focused may have to be drawn first.
  const wanted = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    if (wanted.current === undefined) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-line="${CSS.escape(wanted.current)}"] a[data-row]`);
    if (!row) return;
    wanted.current = undefined;
    row.focus({ preventScroll: windowed });
  });
  const latest = useRef({ lines, active, sight });
  latest.current = { lines, active, sight };
  useEffect(() => {
    const focus = (index: number) => {
      const { lines, sight } = latest.current;
      const line = lines[index];
      if (line?.kind !== 'line') return;
      wanted.current = line.row.key;
      setActive(line.row.key);
      sight.show(index);
    };
    const next = (from: number, by: 1 | -1) => {
      const { lines } = latest.current;
      let index = from;
      do index += by;
      while (lines[index]?.kind === 'group');
      return index;
    };
    return keys.use({
      first: () => focus(next(-1, 1)),
      step: (by) => {
        const { lines, active } = latest.current;
        const at = lines.findIndex((line) => line.kind === 'line' && line.row.key === active);
        focus(at < 0 ? next(by > 0 ? -1 : lines.length, by) : next(at, by));
      },
    });
  }, []);

  const drawn = windowed ? lines.slice(first, end) : lines;
  const offset = windowed ? first : 0;
  const rows = lines.filter((line) => line.kind === 'line').map((line) => line.row);
  const chosen = rows.find(({ key }) => key === active);
  // Tab leads to one row of the table; j and k move from there.
  const reached = chosen?.key ?? rows[0]?.key;
  return (
    <>
      {lines.length > wholeUpTo ? (
        <p class="quiet sight">
          {windowed ? 'Only the rows in sight are drawn. For a search in the page, or to print:' : 'All rows are drawn.'}{' '}
          <button type="button" class="small" onClick={() => setWhole(!whole)}>
            {windowed ? `Show all ${known.matching.total} rows` : 'Draw only those in sight'}
          </button>
        </p>
      ) : null}
      <table
        class={windowed ? 'list applications windowed' : 'list applications'}
        aria-label="Applications"
        aria-busy={!isCurrent}
        aria-rowcount={1 + lines.length + known.matching.total - rows.length}
      >
        <thead>
          <tr aria-rowindex={1}>
            <Head by="severity" sort={sort} query={query} class="state">
              State
            </Head>
            <Head by="name" sort={sort} query={query}>
              Application
            </Head>
            <th scope="col" class="health wider">
              Health
            </th>
            <th scope="col" class="wide">
              Commit
            </th>
            <th scope="col" class="images wider">
              Image
            </th>
            <Head by="age" sort={sort} query={query} class="age wide number">
              Age
            </Head>
            <Head by="sync" sort={sort} query={query} class="last wide">
              Last sync
            </Head>
          </tr>
        </thead>
        <tbody ref={body}>
          {windowed ? <Space height={sight.above} /> : null}
          {drawn.map((line, index) =>
            line.kind === 'group' ? (
              <GroupHead key={`group ${line.severity}`} line={line} index={offset + index + 2} />
            ) : (
              <RowView
                key={line.row.key}
                row={line.row}
                index={offset + index + 2}
                isReached={line.row.key === reached}
                onFocus={() => setActive(line.row.key)}
              />
            ),
          )}
          {windowed ? <Space height={sight.below} /> : null}
        </tbody>
      </table>
      <p class="keys quiet">
        <kbd>/</kbd> filter <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>Ctrl</kbd> <kbd>K</kbd> go anywhere <kbd>?</kbd> all keys{' '}
        <SyncRow row={chosen} />
      </p>
    </>
  );
}

function GroupHead({ line, index }: { line: Line & { kind: 'group' }; index: number }) {
  const look = severity(line.severity);
  return (
    <tr class="group" aria-rowindex={index}>
      <th colSpan={columns.value} scope="rowgroup">
        <Mark look={{ ...look, word: `${line.count} ${look.word}` }} />
      </th>
    </tr>
  );
}

/** Stands for the rows that are not drawn. */
function Space({ height }: { height: number }) {
  return (
    <tr class="space" aria-hidden="true">
      <td colSpan={columns.value} style={{ height: `${height}px` }} />
    </tr>
  );
}

/** A heading that sorts: once, and the other way round. */
function Head(props: { by: string; sort: string; query: string; class?: string; children: string }) {
  const { by, query } = props;
  const sort = props.sort || 'severity';
  const order = sort === by ? 'ascending' : sort === `-${by}` ? 'descending' : undefined;
  const next = sort === by ? `-${by}` : by;
  return (
    <th scope="col" class={props.class} aria-sort={order}>
      <a href={link({ page: 'applications', query, sort: next === 'severity' ? '' : next })}>
        {props.children}
        {order ? <span aria-hidden="true">{order === 'ascending' ? ' ↑' : ' ↓'}</span> : null}
      </a>
    </th>
  );
}

/** Asks for a sync of the row that has the focus; the key `s` presses it. */
function SyncRow({ row }: { row: Row | undefined }) {
  const [asked, setAsked] = useState<Row>();
  const end = () => setAsked(undefined);
  return (
    <>
      {row ? (
        <button type="button" class="plain small" data-key="s" data-says={`sync ${row.key}`} onClick={() => setAsked(row)}>
          <kbd>s</kbd> sync {row.key}
        </button>
      ) : null}
      {asked ? <ActionDialog subject={subjectOf(asked)} action="sync" close={end} done={end} /> : null}
    </>
  );
}

function subjectOf({ namespace, name, key }: Row): Subject {
  return { target: 'application', key, path: applicationPath(namespace, name) };
}

/** Which lines are in sight, and how much room those take that are not drawn. */
function useSight(lines: readonly Line[], windowed: boolean) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [heights, setHeights] = useState<Heights>({ line: 58, group: 30 });
  const [range, setRange] = useState<[number, number]>([0, 28]);
  const places = useMemo(() => tops(lines.map(({ kind }) => kind), heights), [lines, heights]);
  const look = () => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    const [first, end] = inSight(places, -top, window.innerHeight - top, around);
    setRange((old) => (old[0] === first && old[1] === end ? old : [first, end]));
  };
  useLayoutEffect(() => {
    if (!windowed) return;
    // The style sheet says how high they are; on a narrow screen they are higher.
    const of = (kind: string, old: number) => body.current?.querySelector(`tr.${kind}`)?.getBoundingClientRect().height ?? old;
    const now = { line: of('line', heights.line), group: of('group', heights.group) };
    if (Math.abs(now.line - heights.line) + Math.abs(now.group - heights.group) > 0.5) setHeights(now);
    look();
  }, [places, windowed]);
  useEffect(() => {
    if (!windowed) return;
    window.addEventListener('scroll', look, { passive: true });
    window.addEventListener('resize', look);
    return () => {
      window.removeEventListener('scroll', look);
      window.removeEventListener('resize', look);
    };
  }, [places, windowed]);
  const [first, end] = [Math.min(range[0], lines.length), Math.min(range[1], lines.length)];
  const total = places.at(-1) ?? 0;
  return {
    body,
    first,
    end,
    above: places[first] ?? 0,
    below: total - (places[end] ?? total),
    /** Scrolls so that a line is in sight. */
    show: (index: number) => {
      if (!windowed) return;
      const top = (body.current?.getBoundingClientRect().top ?? 0) + (places[index] ?? 0);
      const bottom = top + (places[index + 1] ?? 0) - (places[index] ?? 0);
      const margin = 60;
      if (top < margin) window.scrollBy(0, top - margin);
      else if (bottom > window.innerHeight - margin) window.scrollBy(0, bottom - window.innerHeight + margin);
      look();
    },
  };
}
