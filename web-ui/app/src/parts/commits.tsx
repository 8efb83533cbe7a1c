// The commits that a sync brought: as a range, and one by one with their subjects.
import { useState } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import type { Commit, Sync, SyncContext } from '../model.ts';
import { range } from '../runs.ts';
import { Shown } from './states.tsx';
import { CommitId, Time } from './text.tsx';

/** `99aa10b..a1b2c3d`. */
export function CommitRange({ sync }: { sync: Sync }) {
  const found = range(sync);
  if (!found) return <span class="quiet">no commit</span>;
  return (
    <span class="range">
      {found.old ? (
        <>
          <CommitId id={found.old} />
          <span class="quiet">..</span>
        </>
      ) : null}
      <CommitId id={found.new} />
    </span>
  );
}

export function Commits({ items, more }: { items: Commit[]; more: boolean }) {
  return (
    <ul class="commits">
      {items.map((commit) => (
        <li key={commit.id}>
          <CommitId id={commit.id} /> <span class="subject">{commit.subject}</span>{' '}
          <span class="quiet">
            {commit.author}, <Time at={commit.time} /> old
          </span>
        </li>
      ))}
      {more ? <li class="quiet">and older ones</li> : null}
    </ul>
  );
}

/** The range, which shows its commits when it is opened. They are asked for then. */
export function CommitFold({ sync }: { sync: Sync }) {
  const [open, setOpen] = useState(false);
  if (!range(sync)?.old) return <CommitRange sync={sync} />;
  return (
    <details class="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <CommitRange sync={sync} />
      </summary>
      {open ? <Asked id={sync.id} /> : null}
    </details>
  );
}

function Asked({ id }: { id: string }) {
  const loaded = useLoaded<SyncContext>(`syncs/${encodeURIComponent(id)}/context`, () => false);
  return (
    <Shown of={loaded}>
      {({ commits, more }) =>
        commits.length > 0 ? (
          <Commits items={commits} more={more} />
        ) : (
          <p class="remark">The repository does not have these commits any more.</p>
        )
      }
    </Shown>
  );
}
