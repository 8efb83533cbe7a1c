// One sync: what asked for it, its steps, its commits, what became of each object, what others had changed.
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { Sync, SyncContext, SyncDetail } from '../model.ts';
import { Commits, CommitRange } from '../parts/commits.tsx';
import { CopyLink } from '../parts/copy.tsx';
import { Mark } from '../parts/mark.tsx';
import { Shown, Skeleton } from '../parts/states.tsx';
import { Moment, Time } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import { author } from '../runs.ts';
import { between, duration } from '../time.ts';
import * as words from '../words.ts';
import { Compare } from './sync/compare.tsx';
import { Drift } from './sync/drift.tsx';
import { Outcomes } from './sync/outcomes.tsx';
import { Steps } from './sync/steps.tsx';

export function SyncPage({ id }: { id: string }) {
  const path = `syncs/${encodeURIComponent(id)}`;
  // What has ended does not change.
  let done = false;
  const loaded = useLoaded<SyncDetail>(path, ({ topic }) => topic === 'sync' && !done);
  done = loaded.data?.summary.result !== undefined && loaded.data.summary.result !== 'running';
  const of = loaded.data ? `${loaded.data.summary.namespace}/${loaded.data.summary.application}` : '';
  // A later sync may come: the way to it is looked for anew.
  const around = useLoaded<SyncContext>(`${path}/context`, ({ topic, key }) => topic === 'sync' && key === of);
  useTitle(of ? `Sync of ${of}` : 'Sync');
  const sync = loaded.data?.summary;
  return (
    <main id="main">
      {sync ? <Crumbs sync={sync} /> : null}
      <header class="heading">
        <h1 tabIndex={-1}>
          {sync ? (
            <>
              Sync of {sync.application} <Mark look={words.result(sync.result)} />
            </>
          ) : (
            'Sync'
          )}
        </h1>
        {sync ? <Ways sync={sync} around={around.data} /> : null}
      </header>
      <Shown of={loaded}>{(detail) => <Detail detail={detail} around={around.data} failed={!!around.error} />}</Shown>
    </main>
  );
}

function Crumbs({ sync: { namespace, application } }: { sync: Sync }) {
  return (
    <nav class="crumbs" aria-label="Where you are">
      <a href={link({ page: 'applications', query: '' })}>Applications</a> /{' '}
      <a href={link({ page: 'applications', query: `ns:${namespace}` })}>{namespace}</a> /{' '}
      <a href={link({ page: 'application', namespace, name: application })}>{application}</a> /{' '}
      <a href={link({ page: 'application', namespace, name: application, tab: 'timeline' })}>timeline</a>
    </nav>
  );
}

/** The ways from here: to the syncs beside it, to a comparison, to somebody else. */
function Ways({ sync, around }: { sync: Sync; around: SyncContext | undefined }) {
  return (
    <div class="actions">
      <Beside to={around?.older?.id} word="Previous" loaded={around !== undefined} />
      <Beside to={around?.newer?.id} word="Next" loaded={around !== undefined} />
      <Compare sync={sync} good={around?.good ?? null} />
      <CopyLink />
    </div>
  );
}

interface Props {
  detail: SyncDetail;
  around: SyncContext | undefined;
  failed: boolean;
}

function Detail({ detail, around, failed }: Props) {
  const { summary: sync } = detail;
  const who = author(sync);
  return (
    <>
      {sync.failure ? <WhyPanel why={sync.failure} look={words.reason(sync.failure)} /> : null}
      <dl class="facts">
        <div>
          <dt>Trigger</dt>
          <dd>
            {words.cause(sync.cause)}
            {who ? <span class="quiet field">{who}</span> : null}
          </dd>
        </div>
        <div class="broad">
          <dt>Commits</dt>
          <dd>
            {sync.commit ? <span class="field">{sync.commit.subject}</span> : null}
            <CommitRange sync={sync} />
            {sync.revision ? <span class="quiet"> on {sync.revision.branch}</span> : null}
          </dd>
        </div>
        <div>
          <dt>Began</dt>
          <dd>
            <Moment at={sync.startedAt} />
            <span class="quiet field">
              <Time at={sync.startedAt} /> ago
            </span>
          </dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>
            {sync.finishedAt ? duration(between(sync.startedAt, sync.finishedAt)) : 'still running'}
            <span class="quiet field">queued {duration(between(sync.queuedAt, sync.startedAt))}</span>
          </dd>
        </div>
      </dl>
      <div class="split">
        <Steps detail={detail} />
        <section aria-labelledby="commits">
          <h2 id="commits">
            Commits {around && around.commits.length > 0 ? <span class="count">{around.commits.length}</span> : null}
          </h2>
          {around && around.commits.length > 0 ? (
            <Commits items={around.commits} more={around.more} />
          ) : around ? (
            <p class="nothing">{nothingNew(detail)}</p>
          ) : failed ? (
            <p class="nothing">The commits could not be loaded.</p>
          ) : (
            <Skeleton lines={1} />
          )}
        </section>
      </div>
      <Outcomes detail={detail} older={around?.older ?? null} />
      <Drift items={detail.drift} />
    </>
  );
}

function nothingNew({ summary: { previous, revision } }: SyncDetail): string {
  if (!revision) return 'The source could not be read.';
  if (!previous) return 'Nothing had been applied before.';
  if (previous === revision.commit) return 'It brought no commit: what Git said was applied again.';
  return 'The repository does not have these commits any more.';
}

/** The way to the sync before or after; it keeps its place where there is none. */
function Beside({ to, word, loaded }: { to: string | undefined; word: string; loaded: boolean }) {
  if (to) {
    return (
      <a class="button" href={link({ page: 'sync', id: to })}>
        {word}
        <span class="unseen"> sync</span>
      </a>
    );
  }
  return (
    <button type="button" disabled title={loaded ? `There is no ${word.toLowerCase()} sync` : undefined}>
      {word}
      <span class="unseen"> sync</span>
    </button>
  );
}
