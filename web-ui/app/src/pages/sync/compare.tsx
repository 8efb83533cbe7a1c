// The way to the difference between this sync and another one.
import { applicationPath } from '../../client.ts';
import { useLoaded } from '../../load.ts';
import type { Sync, SyncList } from '../../model.ts';
import { Mark } from '../../parts/mark.tsx';
import { Menu } from '../../parts/menu.tsx';
import { Shown } from '../../parts/states.tsx';
import { CommitId, Time } from '../../parts/text.tsx';
import { link } from '../../route.ts';
import * as words from '../../words.ts';

/** So many earlier syncs are offered. */
const offered = 12;

export function Compare({ sync, good }: { sync: Sync; good: Sync | null }) {
  return <Menu name="Compare with …">{() => <Others sync={sync} good={good} />}</Menu>;
}

/** The address of the differences between two syncs of an application. */
function differences(from: Sync, to: Sync): string {
  const { namespace, application: name } = to;
  return link({ page: 'application', namespace, name, tab: 'diff', given: { from: from.id, to: to.id } });
}

function Others({ sync, good }: { sync: Sync; good: Sync | null }) {
  const { namespace, application } = sync;
  const path = `${applicationPath(namespace, application)}/syncs`;
  const loaded = useLoaded<SyncList>(`${path}?limit=${offered}&before=${encodeURIComponent(sync.id)}`, () => false);
  return (
    <>
      {good ? (
        <>
          <h3>The last good one with another commit</h3>
          <ul class="others">
            <Other sync={sync} other={good} />
          </ul>
        </>
      ) : null}
      <h3>Earlier ones</h3>
      <Shown of={loaded}>
        {({ items }) =>
          items.length === 0 ? (
            <p class="quiet">This is the first one.</p>
          ) : (
            <ul class="others">
              {items.map((other) => (
                <Other key={other.id} sync={sync} other={other} />
              ))}
            </ul>
          )
        }
      </Shown>
    </>
  );
}

function Other({ sync, other }: { sync: Sync; other: Sync }) {
  return (
    <li>
      <a href={differences(other, sync)}>
        <Mark look={words.result(other.result)} /> <Time at={other.startedAt} /> ago{' '}
        {other.revision ? <CommitId id={other.revision.commit} /> : null}
      </a>
      {other.commit ? <span class="remark field">{other.commit.subject}</span> : null}
    </li>
  );
}
