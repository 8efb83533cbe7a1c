// Deliveries of webhooks: what became of each, what it matched, and why not.
import { useTitle } from '../headline.ts';
import type { ApplicationName, Delivery, DeliveryList, DeliveryVerdict } from '../model.ts';
import { Chip } from '../parts/chip.tsx';
import { Mark } from '../parts/mark.tsx';
import { Older } from '../parts/older.tsx';
import { Empty } from '../parts/states.tsx';
import { Prose, Time } from '../parts/text.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';

const verdicts: DeliveryVerdict[] = ['accepted', 'ignored', 'duplicate', 'rejected', 'refused'];

export function WebhooksPage({ verdict }: { verdict: string }) {
  const only = verdicts.find((known) => known === verdict);
  useTitle('Webhooks');
  return (
    <main id="main">
      <h1 tabIndex={-1}>Webhooks</h1>
      <Older<Delivery, DeliveryList>
        path={`webhooks${only ? `?verdict=${only}` : ''}`}
        concerns={({ topic }) => topic === 'delivery' || topic === 'sync'}
        none="No delivery came to this end."
        above={(first) => <Tally list={first} only={only} />}
        {...(only ? {} : { empty: (first: DeliveryList) => <None hooks={first.hooks} /> })}
      >
        {(items) => <Table items={items} />}
      </Older>
    </main>
  );
}

/** How many came since the agent started, also those that are not listed. */
function Tally({ list, only }: { list: DeliveryList; only: DeliveryVerdict | undefined }) {
  const seen = verdicts.filter((verdict) => list.counts[verdict] > 0 || verdict === only);
  return (
    <>
      {seen.length > 0 ? (
        <div class="tools">
          <p class="tally" role="group" aria-label="Deliveries since the agent started">
            {seen.map((verdict) => {
              const look = words.delivery(verdict);
              const chosen = verdict === only;
              return (
                <Chip key={verdict} chosen={chosen} to={link({ page: 'webhooks', verdict: chosen ? '' : verdict })}>
                  <Mark look={{ ...look, word: `${list.counts[verdict]} ${look.word}` }} />
                </Chip>
              );
            })}
          </p>
          <p class="quiet">since the agent started</p>
        </div>
      ) : null}
      {list.hooks === 0 && list.items.length > 0 ? (
        <p class="banner" role="status">
          No Repository takes webhooks now: every delivery is rejected.
        </p>
      ) : null}
    </>
  );
}

function None({ hooks }: { hooks: number }) {
  return hooks === 0 ? (
    <Empty title="No Repository takes webhooks">
      <p>
        <Prose text="Without them a commit is found at the next look, after `spec.interval`. With `spec.webhook.secretRef` a Repository is looked at as soon as the Git host tells of a push." />
      </p>
      <p>Here stands then what came, what it matched, and why it led to nothing.</p>
    </Empty>
  ) : (
    <Empty title="No delivery has come yet">
      <p>
        {hooks === 1 ? 'One Repository takes' : `${hooks} Repositories take`} webhooks.{' '}
        <Prose text="Let the Git host send pushes to `/webhook/github` of the Service `syncline-webhook`; many hosts have a button that sends a test." />
      </p>
      <p>What comes is listed here, also what is rejected and why.</p>
    </Empty>
  );
}

function Table({ items }: { items: Delivery[] }) {
  return (
    <table class="list stack deliveries">
      <thead>
        <tr>
          <th scope="col">Verdict</th>
          <th scope="col">Why, and what it led to</th>
          <th scope="col" class="wide">Delivery</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id}>
            <td class="state">
              <Mark look={words.delivery(item.verdict)} />
            </td>
            <td>
              <Prose text={item.reason} />
              <Matched word="matched" items={item.repositories} to="repository" />
              <Matched word="synced" items={item.applications} to="application" />
              <span class="narrow quiet">{what(item)}</span>
            </td>
            <td class="wide">
              {what(item)}
              {item.branch ? (
                <span class="field">
                  <code>{item.branch}</code>
                </span>
              ) : null}
              {item.delivery ? <span class="remark field">{item.delivery}</span> : null}
            </td>
            <td class="number">
              <Time at={item.time} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `push from github`; of what is not believed only its form is known. */
function what({ event, provider }: Delivery): string {
  return event ? `${event} from ${provider}` : `in the form of ${provider}`;
}

function Matched({ word, items, to }: { word: string; items: ApplicationName[]; to: 'repository' | 'application' }) {
  if (items.length === 0) return null;
  return (
    <span class="remark field">
      {word}{' '}
      {items.map(({ namespace, name }, index) => (
        <span key={`${namespace}/${name}`}>
          {index > 0 ? ', ' : ''}
          <a href={link({ page: to, namespace, name })}>
            {namespace}/{name}
          </a>
        </span>
      ))}
    </span>
  );
}
