// A tree as a table: one row each, walked with the arrow keys; of many rows only those are drawn that are seen.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ResourceNode } from '../model.ts';
import * as objects from '../objects.ts';
import { part, wholeUpTo } from '../sight.ts';
import { isWell, step, type Row } from '../tree.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { ObjectText, Place, Prose, Time } from './text.tsx';

/** Heights of the rows of a long tree, as the style sheet has them. */
const heights = { wide: 36, narrow: 58 };
const page = 12;

interface Props {
  rows: Row[];
  home: string;
  set: (id: string, open: boolean) => void;
  toggleWell: () => void;
  /** The address of an object, or of a view of it. */
  to: (object: string, view?: string) => string;
}

export function TreeGrid({ rows, home, set, toggleWell, to }: Props) {
  const [focused, setFocused] = useState('');
  const [whole, showWhole] = useState(false);
  /** The row that is to have the focus once it is drawn, and how often it may still be scrolled to. */
  const wanted = useRef<{ id: string; left: number } | undefined>(undefined);
  const body = useRef<HTMLTableSectionElement>(null);
  const isLong = rows.length > wholeUpTo && !whole;
  const { seen, height } = useSeen(body, isLong ? rows.length : 0);
  const drawn = isLong ? seen : { from: 0, to: rows.length, above: 0, below: 0 };
  const place = useRef(0);
  const found = rows.findIndex((row) => row.id === focused);
  // Where the row is gone, as one that opened to others, the one in its place has the focus.
  const at = found >= 0 ? found : Math.max(0, Math.min(place.current, rows.length - 1));
  place.current = at;

  useEffect(() => {
    const wants = wanted.current;
    // An effect of an earlier drawing comes late: it knows nothing of the row that is wanted now.
    if (!wants || (wants.id !== rows[at]?.id && rows.some((row) => row.id === wants.id))) return;
    const row = body.current?.querySelector<HTMLElement>(`[aria-rowindex="${at + 2}"]`);
    wants.left -= 1;
    if (row || wants.left === 0) wanted.current = undefined;
    if (row) {
      row.focus();
    } else {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      window.scrollBy(0, top + at * height - window.innerHeight / 2);
    }
  });

  const go = (index: number) => {
    const row = rows[index];
    if (!row) return;
    wanted.current = { id: row.id, left: 5 };
    setFocused(row.id);
  };
  const open = (row: Row) => {
    if (row.what.is === 'object') window.location.hash = to(objects.written(row.what.node.object));
    else if (row.what.is === 'container') window.location.hash = to(objects.written(row.what.pod.object), 'logs');
    else set(row.id, !row.open);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLAnchorElement) return;
    const row = rows[at];
    if (event.key === 'h') {
      if (row) wanted.current = { id: row.id, left: 5 };
      toggleWell();
    } else if ((event.key === 'Enter' || event.key === ' ') && row) {
      open(row);
    } else {
      const done = step(rows, at, event.key, page);
      if (!done) return;
      if ('to' in done) go(done.to);
      else {
        wanted.current = { id: done.set, left: 5 };
        set(done.set, done.open);
      }
    }
    event.preventDefault();
  };

  return (
    <>
      <table
        class={isLong ? 'list tree long' : 'list tree'}
        role="treegrid"
        aria-label="Objects"
        aria-rowcount={rows.length + 1}
        onKeyDown={onKey}
      >
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">Object</th>
            <th scope="col">Health</th>
            <th scope="col" class="wide">
              Git
            </th>
            <th scope="col" class="number">
              Ready
            </th>
            <th scope="col" class="wide defined">
              Defined in
            </th>
            <th scope="col" class="wide number">
              Age
            </th>
          </tr>
        </thead>
        <tbody ref={body}>
          <Space height={drawn.above} />
          {rows.slice(drawn.from, drawn.to).map((row, index) => (
            <tr
              key={row.id}
              data-row
              class={`level-${Math.min(row.level, 8)}`}
              tabIndex={drawn.from + index === at ? 0 : -1}
              aria-rowindex={drawn.from + index + 2}
              aria-level={row.level}
              aria-posinset={row.place}
              aria-setsize={row.of}
              aria-expanded={row.open}
              onFocus={() => setFocused(row.id)}
            >
              <Cells row={row} home={home} to={to} toggle={() => set(row.id, !row.open)} />
            </tr>
          ))}
          <Space height={drawn.below} />
        </tbody>
      </table>
      {isLong ? (
        <p class="more">
          <button type="button" class="small" onClick={() => showWhole(true)}>
            Draw all {rows.length} rows
          </button>{' '}
          <span class="quiet">so that the browser finds text in all of them</span>
        </p>
      ) : null}
    </>
  );
}

/** Room that rows would take which are not drawn. */
function Space({ height }: { height: number }) {
  if (height === 0) return null;
  return (
    <tr class="space" aria-hidden="true">
      <td colSpan={6} style={{ height: `${height}px` }} />
    </tr>
  );
}

/** Which rows are seen; follows the scrolling of the page. */
function useSeen(body: { current: HTMLElement | null }, count: number) {
  const [seen, setSeen] = useState(() => part(count, heights.wide, 0, window.innerHeight));
  const height = window.matchMedia('(max-width: 760px)').matches ? heights.narrow : heights.wide;
  useEffect(() => {
    if (count === 0) return undefined;
    const look = () => {
      const top = -(body.current?.getBoundingClientRect().top ?? 0);
      const next = part(count, height, top, window.innerHeight);
      setSeen((old) => (old.from === next.from && old.to === next.to && old.below === next.below ? old : next));
    };
    look();
    window.addEventListener('scroll', look, { passive: true });
    window.addEventListener('resize', look);
    return () => {
      window.removeEventListener('scroll', look);
      window.removeEventListener('resize', look);
    };
  }, [count, height]);
  return { seen, height };
}

function Cells({ row, home, to, toggle }: { row: Row; home: string; to: Props['to']; toggle: () => void }) {
  const { what } = row;
  const twist =
    row.open === undefined ? (
      <span class="twist" />
    ) : (
      <button type="button" class="twist" tabIndex={-1} aria-label={row.open ? 'Close' : 'Open'} onClick={toggle}>
        <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
          <path d={row.open ? 'M3 6l5 5 5-5' : 'M6 3l5 5-5 5'} />
        </svg>
      </button>
    );
  switch (what.is) {
    case 'well':
      return (
        <td colSpan={6}>
          {twist}
          <button type="button" class="plain well" tabIndex={-1} onClick={toggle}>
            {what.count === 1 ? '1 healthy object' : `${what.count} healthy objects`}
          </button>
        </td>
      );
    case 'kind': {
      const bad = what.nodes.filter((node) => !isWell(node)).length;
      return (
        <>
          <td>
            {twist}
            <span class="name">{what.kind}</span> <span class="count">{what.nodes.length}</span>
          </td>
          <td colSpan={5}>{bad > 0 ? `${bad} not well` : <Mark look={words.health('Healthy')} />}</td>
        </>
      );
    }
    case 'container':
      return (
        <>
          <td>
            {twist}
            <span class="object">
              <span class="kind">{what.container.init ? 'init container' : 'container'}</span>{' '}
              <span class="name">{what.container.name}</span>{' '}
              <a tabIndex={-1} href={to(objects.written(what.pod.object), 'logs')}>
                logs
              </a>
            </span>
            <span class="narrow quiet">{what.container.image}</span>
          </td>
          <td>
            <Mark look={objects.container(what.container)} />
          </td>
          <td class="wide" />
          <td class="number">
            {what.container.restarts > 0 ? `${what.container.restarts} ${what.container.restarts === 1 ? 'restart' : 'restarts'}` : ''}
          </td>
          <td class="wide">
            <code class="place">{what.container.image}</code>
          </td>
          <td class="wide number">{what.container.since ? <Time at={what.container.since} /> : null}</td>
        </>
      );
    case 'object':
      return <ObjectCells node={what.node} home={home} to={to} twist={twist} />;
  }
}

function ObjectCells({ node, home, to, twist }: { node: ResourceNode; home: string; to: Props['to']; twist: preact.JSX.Element }) {
  const health = words.health(node.health);
  const message = node.health === 'Healthy' ? '' : node.healthMessage;
  return (
    <>
      <td>
        {twist}
        <a class="to" tabIndex={-1} href={to(objects.written(node.object))}>
          <ObjectText object={node.object} home={home} />
        </a>
        {node.deleting ? <span class="quiet"> is being deleted</span> : null}
        {message ? (
          <p class={health.tone === 'bad' ? 'because' : 'remark'} title={message}>
            <Prose text={message} />
          </p>
        ) : null}
      </td>
      <td>
        <Mark look={health} />
        {node.ready ? (
          <span class="few quiet">
            {node.ready.ready}/{node.ready.wanted} ready
          </span>
        ) : null}
        {node.sync && node.sync !== 'synced' ? (
          <span class="narrow">
            <Mark look={objects.syncState(node.sync)} />
          </span>
        ) : null}
      </td>
      <td class="wide">{node.sync ? <Mark look={objects.syncState(node.sync)} /> : null}</td>
      <td class="number">{node.ready ? `${node.ready.ready}/${node.ready.wanted}` : ''}</td>
      <td class="wide">{node.sync ? <Place origin={node.origin} /> : null}</td>
      <td class="wide number">{node.created ? <Time at={node.created} /> : null}</td>
    </>
  );
}
