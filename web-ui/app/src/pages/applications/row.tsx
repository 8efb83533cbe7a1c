// One application of the list.
import type { Row } from '../../list.ts';
import { Mark } from '../../parts/mark.tsx';
import { CommitId, CommitLine, Time, Until } from '../../parts/text.tsx';
import { link } from '../../route.ts';
import { health, hold, result, state } from '../../words.ts';

interface Props {
  row: Row;
  index: number;
  /** Whether Tab leads to it. */
  isReached: boolean;
  onFocus: () => void;
}

export function RowView({ row, index, isReached, onFocus }: Props) {
  const { namespace, name, commit } = row;
  const look = state(row.severity, row);
  // What the state says already is not said again.
  const holds = (row.holds ?? []).map(hold).filter(({ word }) => word !== look.word.toLowerCase());
  const tabIndex = isReached ? 0 : -1;
  return (
    <tr class={`line ${row.severity}`} data-line={row.key} aria-rowindex={index} onFocusCapture={onFocus}>
      <td class="state">
        <Mark look={look} />
        {row.since ? (
          <span class="quiet">
            {' '}
            <Time at={row.since} />
          </span>
        ) : null}
      </td>
      <td class="application">
        <span class="title">
          <a data-row tabIndex={tabIndex} href={link({ page: 'application', namespace, name })}>
            <span class="quiet">{namespace}/</span>
            {name}
          </a>
          {row.update ? (
            <span class="label" title={`A newer tag waits: ${row.update}`}>
              <span aria-hidden="true">↑ </span>
              <span class="unseen">update to </span>
              {row.update}
            </span>
          ) : null}
          {row.manual ? <span class="label">by hand</span> : null}
        </span>
        <Because row={row} />
        {holds.length > 0 ? (
          <span class="holds">
            {holds.map((one) => (
              <Mark key={one.word} look={one} />
            ))}
          </span>
        ) : null}
        <span class="narrow quiet">
          {commit ? (
            <>
              {commit.subject} <CommitId id={commit.id} /> <Time at={commit.time} />
            </>
          ) : (
            'no commit yet'
          )}
        </span>
      </td>
      <td class="health wider">
        <Mark look={health(row.health)} />
      </td>
      <td class="wide">
        <CommitLine commit={commit} />
      </td>
      <td class="images wider">
        <Images images={row.images ?? []} />
      </td>
      <td class="age wide number">{commit ? <Time at={commit.time} /> : null}</td>
      <td class="last wide">
        {row.lastResult ? (
          <a tabIndex={tabIndex} href={link({ page: 'application', namespace, name, tab: 'timeline' })}>
            <span class="unseen">Syncs of {name}, the last: </span>
            <Mark look={result(row.lastResult)} />{' '}
            {row.lastSyncAt ? (
              <span class="quiet">
                <Time at={row.lastSyncAt} />
              </span>
            ) : null}
          </a>
        ) : (
          <span class="quiet">none yet</span>
        )}
      </td>
    </tr>
  );
}

/** Why it is as it is, in one line: what is wrong, or what it waits for. */
function Because({ row }: { row: Row }) {
  const [first, ...others] = row.waitingFor ?? [];
  if (row.severity === 'failing' || row.severity === 'waiting') {
    const text = row.detail || row.why?.sentence || '';
    return (
      <p class="because" title={text}>
        {text}
      </p>
    );
  }
  if (first === undefined) return null;
  return (
    <p class="remark" title={row.waitingFor?.join('\n')}>
      waits: {first}
      {others.length > 0 ? ` and ${others.length} more` : ''}
      {row.nextTry ? (
        <>
          , looked at again <Until at={row.nextTry} />
        </>
      ) : null}
    </p>
  );
}

/** The last part of the first image, which tells most. */
function Images({ images }: { images: readonly string[] }) {
  const [first, ...others] = images;
  if (first === undefined) return null;
  return (
    <span class="image" title={images.join('\n')}>
      {first.slice(first.lastIndexOf('/') + 1).replace(/@sha256:([0-9a-f]{8})[0-9a-f]+/, '@$1')}
      {others.length > 0 ? <span class="quiet"> and {others.length} more</span> : null}
    </span>
  );
}
