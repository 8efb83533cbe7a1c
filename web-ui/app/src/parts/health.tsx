// How the health of an application changed: when, from what, to what, and why.
import { useLoaded } from '../load.ts';
import type { Change, HealthChangeList } from '../model.ts';
import { link } from '../route.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { CommitId, Time } from './text.tsx';

/** So many changes are enough for a look; the API has the rest. */
const most = 10;

export function HealthTimeline({ path, concerns }: { path: string; concerns: (change: Change) => boolean }) {
  const { data } = useLoaded<HealthChangeList>(`${path}?limit=${most}`, concerns);
  if (!data || data.items.length === 0) return null;
  return (
    <section aria-labelledby="health-changes">
      <h2 id="health-changes">Changes of health</h2>
      <ol class="timeline">
        {data.items.map((change) => (
          <li key={change.id}>
            <span class="when quiet">
              <Time at={change.time} /> ago
            </span>
            <div>
              <Mark look={words.health(change.after)} /> <span class="quiet">after {change.before}</span>
              {change.changes > 2 ? <span class="quiet">, to and fro {change.changes} times</span> : null}
              {change.object || change.sentence ? (
                <p class="remark">
                  {change.object}
                  {change.object && change.sentence ? ': ' : ''}
                  {change.sentence}
                </p>
              ) : null}
              <p class="remark">
                {change.commit ? (
                  <>
                    at <CommitId id={change.commit} />
                  </>
                ) : null}
                {change.sync ? (
                  <>
                    , with <a href={link({ page: 'sync', id: change.sync })}>a sync</a>
                  </>
                ) : change.commit ? (
                  ', by itself'
                ) : null}
              </p>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
