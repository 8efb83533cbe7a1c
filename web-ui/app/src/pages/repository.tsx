// One repository: why it is as it is, how far it was read, its webhook, and who reads it.
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { ApplicationName, Repository, RepositoryDetail, RepositoryReader } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitId, CommitLine, Prose, Time, Until } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import { length } from '../time.ts';
import * as words from '../words.ts';

export function RepositoryPage({ namespace, name }: { namespace: string; name: string }) {
  const key = `${namespace}/${name}`;
  const path = `repositories/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const loaded = useLoaded<RepositoryDetail>(path, (change) =>
    change.topic === 'repository' ? change.key === key : change.topic === 'application' && change.key.startsWith(`${namespace}/`),
  );
  useTitle(`${key} · Repositories`);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link({ page: 'repositories' })}>Repositories</a> / {namespace}
      </nav>
      <header class="heading">
        <h1 tabIndex={-1}>{name}</h1>
      </header>
      <Shown of={loaded}>
        {(detail) => (
          <>
            <WhyPanel why={detail.summary.why} look={words.reason(detail.summary.why)} />
            <Facts detail={detail} />
            <Webhook item={detail.summary} />
            <Readers items={detail.readers} namespace={namespace} />
            {detail.policies.length > 0 ? <Policies items={detail.policies} /> : null}
          </>
        )}
      </Shown>
    </main>
  );
}

function Facts({ detail }: { detail: RepositoryDetail }) {
  const { summary } = detail;
  return (
    <dl class="facts">
      <div class="broad">
        <dt>URL</dt>
        <dd>{summary.url ? <code class="place">{summary.url}</code> : <span class="quiet">not readable</span>}</dd>
      </div>
      <div>
        <dt>Branch</dt>
        <dd>{summary.branch ? <code>{summary.branch}</code> : <span class="quiet">not readable</span>}</dd>
      </div>
      <div class="broad">
        <dt>Newest commit</dt>
        <dd>
          <CommitLine commit={summary.head} />
          {summary.head ? (
            <span class="quiet field">
              <Time at={summary.head.time} /> ago
            </span>
          ) : null}
        </dd>
      </div>
      <div>
        <dt>Asked</dt>
        <dd>
          {summary.checkedAt ? (
            <>
              <Time at={summary.checkedAt} /> ago
            </>
          ) : (
            <span class="quiet">not yet</span>
          )}
          <span class="quiet field">
            {summary.nextLook ? (
              <>
                again <Until at={summary.nextLook} />
              </>
            ) : (
              'not asked by itself now'
            )}
            {detail.intervalSeconds ? `, every ${length(detail.intervalSeconds)}` : ''}
          </span>
          {summary.failures > 0 ? (
            <span class="field">
              {summary.failures} {summary.failures === 1 ? 'look' : 'looks'} in a row failed
            </span>
          ) : null}
        </dd>
      </div>
      <div>
        <dt>Commits</dt>
        <dd>
          {detail.signed ? 'only with a known signature' : 'all, signed or not'}
          <span class="quiet field">
            {summary.writable ? 'image updates may be committed' : 'nothing is committed to it'}
          </span>
        </dd>
      </div>
      {detail.serviceAccount ? (
        <div>
          <dt>Secrets read as</dt>
          <dd>
            <code>{detail.serviceAccount}</code>
          </dd>
        </div>
      ) : null}
    </dl>
  );
}

function Webhook({ item }: { item: Repository }) {
  const last = item.lastDelivery;
  return (
    <section aria-labelledby="webhook">
      <h2 id="webhook">Webhook</h2>
      <p>
        <Mark look={words.webhook(item.webhook)} />
      </p>
      {item.webhook === 'unreadable' ? (
        <p class="because">
          <Prose text="The Secret that `spec.webhook.secretRef` names cannot be read, or has no key `secret`: no delivery for this Repository is believed. Make the Secret, and let the service account get it." />
        </p>
      ) : null}
      {item.webhook === 'none' ? (
        <p class="quiet">
          <Prose text="A commit is found at the next look. With `spec.webhook.secretRef` it is found as soon as the Git host tells of it." />
        </p>
      ) : null}
      {last ? (
        <p>
          <Mark look={words.delivery(last.verdict)} /> <Time at={last.time} /> ago: <Prose text={last.reason} />.
        </p>
      ) : item.webhook === 'ready' ? (
        <p class="quiet">No delivery has named it yet.</p>
      ) : null}
      {item.webhook === 'none' ? null : (
        <p>
          <a href={link({ page: 'webhooks', verdict: '' })}>All deliveries</a>
        </p>
      )}
    </section>
  );
}

function Readers({ items, namespace }: { items: RepositoryReader[]; namespace: string }) {
  return (
    <section aria-labelledby="readers">
      <h2 id="readers">
        Read by <span class="count">{items.length}</span>
      </h2>
      {items.length === 0 ? (
        <p class="nothing">No Application of {namespace} reads it.</p>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Application</th>
              <th scope="col" class="wide">Folder</th>
              <th scope="col">Applied</th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <tr key={item.name}>
                <td class="state">
                  <Mark look={words.state(item.severity, item.why)} />
                </td>
                <td>
                  <a data-row href={link({ page: 'application', namespace, name: item.name })}>
                    {item.name}
                  </a>
                  {item.onlySource ? <span class="remark field">takes only files of it</span> : null}
                </td>
                <td class="wide">
                  <code class="place">{item.path}</code>
                </td>
                <td>{item.commit ? <CommitId id={item.commit.id} /> : <span class="quiet">nothing yet</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Policies({ items }: { items: ApplicationName[] }) {
  return (
    <section aria-labelledby="policies">
      <h2 id="policies">
        Written by image policies <span class="count">{items.length}</span>
      </h2>
      <ul class="others">
        {items.map(({ namespace, name }) => (
          <li key={name}>
            <a href={link({ page: 'image', namespace, name, rule: '', query: '' })}>{name}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
