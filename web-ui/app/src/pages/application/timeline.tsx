// Everything that happened to an application, the newest first: syncs, what people asked for, changes of health.
import { Fragment, type ComponentChildren } from 'preact';
import { zone } from '../../display.ts';
import type { Act, HealthChange, Sync, TimelineEntry, TimelineKind } from '../../model.ts';
import { Chip } from '../../parts/chip.tsx';
import { CommitFold } from '../../parts/commits.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Older } from '../../parts/older.tsx';
import { CommitId, Prose, Time } from '../../parts/text.tsx';
import { link } from '../../route.ts';
import { author } from '../../runs.ts';
import { between, day, duration } from '../../time.ts';
import * as words from '../../words.ts';
import type { TabProps } from './tabs.tsx';

const filters: [TimelineKind | '', string][] = [
  ['', 'everything'],
  ['sync', 'syncs'],
  ['failed', 'failed syncs'],
  ['act', 'what people did'],
  ['health', 'health'],
];

export function Timeline({ path, concerns, detail, given }: TabProps) {
  const { namespace, name } = detail.summary;
  const only = filters.find(([kind]) => kind === given['only'])?.[0] ?? '';
  return (
    <section aria-labelledby="history">
      <h2 id="history" class="unseen">
        Timeline
      </h2>
      <div class="tools">
        <nav class="tally" aria-label="What is shown">
          {filters.map(([kind, word]) => (
            <Chip
              key={kind}
              chosen={kind === only}
              to={link({ page: 'application', namespace, name, tab: 'timeline', given: kind ? { only: kind } : {} })}
            >
              {word}
            </Chip>
          ))}
        </nav>
      </div>
      <Older<TimelineEntry>
        path={`${path}/timeline${only ? `?only=${only}` : ''}`}
        concerns={concerns}
        none={only ? 'Nothing of this kind has happened.' : 'No sync has run yet.'}
      >
        {(items) => <Entries items={items} />}
      </Older>
    </section>
  );
}

function Entries({ items }: { items: TimelineEntry[] }) {
  let last = '';
  return (
    <table class="list stack happened">
      <thead>
        <tr>
          <th scope="col">Result</th>
          <th scope="col">What happened</th>
          <th scope="col" class="wide">Why, and who</th>
          <th scope="col" class="wide">Commits</th>
          <th scope="col" class="wide number">Took</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        {items.map((entry) => {
          const today = day(timeOf(entry), zone.value);
          const heads = today !== last;
          last = today;
          return (
            <Fragment key={entry.id}>
              {heads ? (
                <tr class="group">
                  <th scope="colgroup" colSpan={6}>
                    {today}
                  </th>
                </tr>
              ) : null}
              <Entry entry={entry} />
            </Fragment>
          );
        })}
      </tbody>
    </table>
  );
}

function timeOf(entry: TimelineEntry): string {
  return entry.kind === 'sync' ? entry.startedAt : entry.time;
}

function Entry({ entry }: { entry: TimelineEntry }) {
  switch (entry.kind) {
    case 'sync':
      return <SyncRow sync={entry} />;
    case 'act':
      return <ActRow act={entry} />;
    case 'health':
      return <HealthRow change={entry} />;
  }
}

function SyncRow({ sync }: { sync: Sync }) {
  const who = author(sync);
  const ended = sync.finishedAt;
  return (
    <tr>
      <td class="state">
        <Mark look={words.result(sync.result)} />
      </td>
      <td>
        <a data-row href={link({ page: 'sync', id: sync.id })}>
          {words.counts(sync.counts)}
        </a>
        {sync.failure ? (
          <p class={sync.result === 'held' ? 'remark' : 'because'}>
            <Prose text={sync.failure.detail || sync.failure.sentence} />
          </p>
        ) : null}
        <span class="narrow quiet">
          {words.cause(sync.cause)}
          {who ? `, ${who}` : ''}
          {sync.commit ? `: ${sync.commit.subject}` : ''}
        </span>
      </td>
      <td class="wide">
        {words.cause(sync.cause)}
        {who ? <span class="remark field">{who}</span> : null}
      </td>
      <td class="wide commit">
        {sync.commit ? (
          <span class="subject" title={sync.commit.subject}>
            {sync.commit.subject}
          </span>
        ) : null}
        <CommitFold sync={sync} />
      </td>
      <td class="wide number">
        {ended ? duration(between(sync.startedAt, ended)) : 'running'}
        <span class="remark field">queued {duration(between(sync.queuedAt, sync.startedAt))}</span>
      </td>
      <td class="number">
        <Time at={sync.startedAt} />
      </td>
    </tr>
  );
}

function ActRow({ act }: { act: Act }) {
  return (
    <Row look={words.act(act.failure)} time={act.time}>
      <b>{words.acted(act.action)}</b> <span class="quiet">by {act.actor}</span>
      {act.detail ? <p class="remark">{act.detail}</p> : null}
      {act.failure ? (
        <p class="because">
          <Prose text={act.failure.sentence} />
          {act.failure.detail ? `: ${act.failure.detail}` : ''}
        </p>
      ) : null}
    </Row>
  );
}

function HealthRow({ change }: { change: HealthChange }) {
  return (
    <Row look={words.health(change.after)} time={change.time}>
      {change.before === change.after ? 'again' : `after ${change.before}`}
      {change.changes > 2 ? <span class="quiet">, to and fro {change.changes} times</span> : null}
      {change.object || change.sentence ? (
        <p class="remark">{[change.object, change.sentence].filter((text) => text !== '').join(': ')}</p>
      ) : null}
      <p class="remark">
        {change.commit ? (
          <>
            at <CommitId id={change.commit} />,{' '}
          </>
        ) : null}
        {change.sync ? (
          <>
            with <a href={link({ page: 'sync', id: change.sync })}>a sync</a>
          </>
        ) : (
          'by itself'
        )}
      </p>
    </Row>
  );
}

/** What is not a sync has neither commits nor a duration. */
function Row({ look, time, children }: { look: words.Look; time: string; children: ComponentChildren }) {
  return (
    <tr>
      <td class="state">
        <Mark look={look} />
      </td>
      <td>{children}</td>
      <td class="wide" />
      <td class="wide" />
      <td class="wide" />
      <td class="number">
        <Time at={time} />
      </td>
    </tr>
  );
}
