// Order and time: dependencies up and down, windows, retry.
import type { ApplicationDetail, Dependency, NeededBy, Windows } from '../model.ts';
import { link } from '../route.ts';
import { length } from '../time.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { Moment, ObjectText, Time, Until } from './text.tsx';

export function OrderAndTime({ detail }: { detail: ApplicationDetail }) {
  const { dependsOn, neededBy, windows, retry, summary } = detail;
  const retries = retry.failures > 0 || retry.limit != null;
  if (dependsOn.length === 0 && neededBy.length === 0 && !windows && !retries) return null;
  return (
    <section aria-labelledby="order">
      <h2 id="order">Order and time</h2>
      <div class="cards">
        {dependsOn.length > 0 ? <DependsOn items={dependsOn} namespace={summary.namespace} home={summary.destination} /> : null}
        {neededBy.length > 0 ? <Needed items={neededBy} namespace={summary.namespace} /> : null}
        {windows ? <SyncWindows windows={windows} /> : null}
        {retries ? (
          <div>
            <h3>Retry</h3>
            <p>
              {retry.failures === 0 ? 'No sync failed' : retry.failures === 1 ? '1 sync failed' : `${retry.failures} syncs failed in a row`}
              {retry.limit != null ? `; tried again ${retry.limit} times at most` : ''}
              {retry.failures > 0 && summary.nextTry ? (
                <>
                  ; the next try is <Until at={summary.nextTry} />
                </>
              ) : null}
            </p>
          </div>
        ) : null}
      </div>
      {dependsOn.length > 0 || neededBy.length > 0 ? (
        <p>
          <a href={link({ page: 'dependencies', namespace: summary.namespace, name: summary.name })}>Draw the dependencies</a>
        </p>
      ) : null}
    </section>
  );
}

function DependsOn({ items, namespace, home }: { items: Dependency[]; namespace: string; home: string }) {
  return (
    <div>
      <h3>Depends on</h3>
      <ul>
        {items.map((item, index) => (
          <li key={index} class={item.depth > 1 ? 'far' : undefined}>
            <Mark look={words.readiness(item.readiness)} />{' '}
            {item.application ? (
              <a href={link({ page: 'application', namespace, name: item.application })}>{item.application}</a>
            ) : item.object ? (
              <ObjectText object={item.object} home={home} />
            ) : null}
            {item.via ? <span class="quiet"> through {item.via}</span> : null}
            {item.since ? (
              <span class="quiet">
                {' '}
                for <Time at={item.since} />
              </span>
            ) : null}
            {item.why ? <p class="remark">{item.why}</p> : null}
            {item.condition ? (
              <p class="remark">
                must hold: <code>{item.condition}</code>
              </p>
            ) : null}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Needed({ items, namespace }: { items: NeededBy[]; namespace: string }) {
  return (
    <div>
      <h3>Needed by</h3>
      <ul>
        {items.map((item) => (
          <li key={item.name} class={item.direct ? undefined : 'far'}>
            <a href={link({ page: 'application', namespace, name: item.name })}>{item.name}</a>
            <span class="quiet">
              {item.direct ? '' : ' through others'}
              {item.waits ? ', which waits' : ''}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function SyncWindows({ windows }: { windows: Windows }) {
  const open: words.Look = { word: 'open now', tone: 'good', shape: 'tick' };
  const closed: words.Look = { word: 'closed now', tone: 'wait', shape: 'pause' };
  return (
    <div>
      <h3>Sync windows</h3>
      <p>
        <Mark look={windows.open ? open : closed} />
        {windows.until ? (
          <span class="quiet">
            , may change <Until at={windows.until} /> (<Moment at={windows.until} />)
          </span>
        ) : null}
      </p>
      <ul>
        {windows.items.map((item, index) => (
          <li key={index}>
            {item.rule === 'allow' ? 'Allows' : 'Forbids'} <code>{item.schedule}</code> for {length(item.seconds)},{' '}
            {item.timeZone}
            <p class="remark">
              {item.open ? 'it is now' : 'not now'}
              {item.changes ? `; ${item.open ? 'closes' : 'opens'} ${item.changes.local}` : ''}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}
