// What differs in an object: lines before and after, who holds the fields, what is left to others.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { count, cut, hunks, pairs, type Hunk, type Line } from '../lines.ts';
import type { ObjectDiff } from '../model.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { ObjectText, Place, Prose, Time } from './text.tsx';

/** Unified, or the text before beside the one after. */
export type View = 'unified' | 'beside';

/** Lines of one object that are shown at first, and with each "show more". */
const most = 2000;
/** From this width on two texts have room beside each other. */
const roomy = '(min-width: 1100px)';

/** Whether the window is wide enough for two texts beside each other. */
export function useRoom(): boolean {
  const [wide, setWide] = useState(() => window.matchMedia(roomy).matches);
  useEffect(() => {
    const query = window.matchMedia(roomy);
    const look = () => setWide(query.matches);
    query.addEventListener('change', look);
    return () => query.removeEventListener('change', look);
  }, []);
  return wide;
}

interface Props {
  diff: ObjectDiff;
  home: string;
  view: View;
  open: boolean;
}

export function DiffOfObject({ diff, home, view, open }: Props) {
  const [shown, show] = useState(open);
  const found = useMemo(() => hunks(diff.before ?? null, diff.after ?? null), [diff.before, diff.after]);
  const { added, removed } = count(found);
  const left = diff.ignored.reduce((sum, rule) => sum + rule.fields.length, 0);
  return (
    <details class="object-diff" open={shown} onToggle={(event) => show(event.currentTarget.open)}>
      <summary>
        <Mark look={words.differs(diff.action)} />
        <ObjectText object={diff.object} home={home} />
        <span class="amount">
          {found.length > 0 ? (
            <>
              <ins>+{added}</ins> <del>−{removed}</del>
              <span class="unseen"> lines</span>
            </>
          ) : null}
          {left > 0 ? <span class="quiet"> {left === 1 ? '1 field ignored' : `${left} fields ignored`}</span> : null}
        </span>
        {diff.origin ? (
          <span class="wide">
            <Place origin={diff.origin} />
          </span>
        ) : null}
      </summary>
      {shown ? <Inside diff={diff} found={found} view={view} /> : null}
    </details>
  );
}

function Inside({ diff, found, view }: { diff: ObjectDiff; found: Hunk[]; view: View }) {
  const [room, setRoom] = useState(most);
  const total = found.reduce((sum, hunk) => sum + hunk.lines.length, 0);
  const Lines = view === 'beside' && diff.before != null && diff.after != null ? Beside : Unified;
  return (
    <div class="inside">
      {diff.why ? (
        <p class="because">
          <Prose text={diff.why.sentence} />
          {diff.why.detail ? `: ${diff.why.detail}` : ''}.
          {diff.why.remedy ? (
            <span class="quiet">
              {' '}
              <Prose text={diff.why.remedy} />.
            </span>
          ) : null}
        </p>
      ) : null}
      {diff.notes.map((note) => (
        <p key={note} class="remark">
          {note}
        </p>
      ))}
      {found.length === 0 && diff.before != null && diff.after != null ? (
        <p class="remark">No field that is shown differs.</p>
      ) : null}
      {found.length > 0 ? <Lines found={cut(found, room)} label={`${diff.object.kind} ${diff.object.name}`} /> : null}
      {total > room ? (
        <p class="more">
          <button type="button" onClick={() => setRoom(room + most)}>
            Show {Math.min(most, total - room)} more lines
          </button>{' '}
          <span class="quiet">
            {room} of {total} are shown
          </span>
        </p>
      ) : null}
      <Owners diff={diff} />
      {diff.ignored.map((rule, index) => (
        <p key={index} class="remark">
          {rule.fields.length === 1 ? '1 field ignored' : `${rule.fields.length} fields ignored`}, because{' '}
          <Prose text={rule.because} />: <Fields names={rule.fields} />
        </p>
      ))}
    </div>
  );
}

/** Who holds the fields that differ. */
function Owners({ diff }: { diff: ObjectDiff }) {
  if (diff.owners.length === 0) return null;
  return (
    <table class="owners">
      <caption class="unseen">Who holds the fields that differ</caption>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Live value set by</th>
        </tr>
      </thead>
      <tbody>
        {diff.owners.map((field) => (
          <tr key={field.path}>
            <td>
              <code>{field.path}</code>
            </td>
            <td>
              {field.managers.map((manager, index) => (
                <span key={index} class="manager">
                  {manager.name}
                  {manager.time ? (
                    <span class="quiet">
                      {' '}
                      <Time at={manager.time} /> ago
                    </span>
                  ) : null}
                </span>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Fields({ names }: { names: string[] }) {
  return (
    <>
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 ? ', ' : ''}
          <code>{name}</code>
        </span>
      ))}
    </>
  );
}

interface LinesProps {
  found: Hunk[];
  label: string;
}

function Unified({ found, label }: LinesProps) {
  return (
    <table class="diff" aria-label={`Lines of ${label}`}>
      {/* The first row spans all columns, so they have no width of their own. */}
      <colgroup>
        <col class="number" />
        <col class="number" />
        <col class="sign" />
        <col />
      </colgroup>
      {found.map((hunk, index) => (
        <tbody key={index}>
          <PlaceRow hunk={hunk} width={4} />
          {hunk.lines.map((line, at) => (
            <tr key={at} class={line.kind}>
              <td class="number">{line.before ?? ''}</td>
              <td class="number">{line.after ?? ''}</td>
              <Sign line={line} />
              <Text line={line} />
            </tr>
          ))}
        </tbody>
      ))}
    </table>
  );
}

function Beside({ found, label }: LinesProps) {
  return (
    <table class="diff two" aria-label={`Lines of ${label}, before beside after`}>
      <colgroup>
        <col class="number" />
        <col class="sign" />
        <col />
        <col class="number" />
        <col class="sign" />
        <col />
      </colgroup>
      {found.map((hunk, index) => (
        <tbody key={index}>
          <PlaceRow hunk={hunk} width={6} />
          {pairs(hunk.lines).map(({ left, right }, at) => (
            <tr key={at}>
              <Half line={left} number={left?.before} />
              <Half line={right} number={right?.after} />
            </tr>
          ))}
        </tbody>
      ))}
    </table>
  );
}

function Half({ line, number }: { line: Line | undefined; number: number | undefined }) {
  if (!line) {
    return (
      <>
        <td class="number" />
        <td class="sign" />
        <td class="line none" />
      </>
    );
  }
  return (
    <>
      <td class={`number ${line.kind}`}>{number ?? ''}</td>
      <Sign line={line} />
      <Text line={line} />
    </>
  );
}

function PlaceRow({ hunk, width }: { hunk: Hunk; width: number }) {
  return (
    <tr class="where">
      <th scope="rowgroup" colSpan={width}>
        {hunk.place ? <code>{hunk.place}</code> : <span class="unseen">at the top</span>}
      </th>
    </tr>
  );
}

/** The sign of a line, which says the same as its colour. */
function Sign({ line }: { line: Line }) {
  const signs = { same: ['', ''], removed: ['−', 'removed'], added: ['+', 'added'] } as const;
  const [sign, word] = signs[line.kind];
  return (
    <td class={`sign ${line.kind}`}>
      <span aria-hidden="true">{sign}</span>
      <span class="unseen">{word}</span>
    </td>
  );
}

function Text({ line }: { line: Line }) {
  const pieces = line.pieces.map((piece, index) =>
    piece.differs ? <b key={index}>{piece.text}</b> : piece.text,
  );
  return (
    <td class={`line ${line.kind}`}>
      {line.kind === 'removed' ? <del>{pieces}</del> : line.kind === 'added' ? <ins>{pieces}</ins> : pieces}
    </td>
  );
}
