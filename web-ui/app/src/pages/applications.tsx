// The list of applications, failing first.
import { useEffect, useState } from 'preact/hooks';
import { Copy } from '../parts/copy.tsx';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitId, CommitLine, Time, Until } from '../parts/text.tsx';
import { useLoaded } from '../load.ts';
import type { Application, ApplicationList } from '../model.ts';
import { failingFirst, tally } from '../order.ts';
import { link, searchFor } from '../route.ts';
import { matches, parse, searchKeys } from '../search.ts';
import { hold, result, severity, state } from '../words.ts';

/** More rows than this are drawn only when asked for. */
const atOnce = 200;

export function ApplicationsPage({ query }: { query: string }) {
  const loaded = useLoaded<ApplicationList>(
    'applications',
    ({ topic }) => topic === 'application' || topic === 'sync',
  );
  const items = loaded.data?.items;
  useEffect(() => {
    const failing = items?.filter((item) => item.severity === 'failing').length ?? 0;
    document.title = failing > 0 ? `(${failing} failing) Syncline` : 'Syncline';
  }, [items]);
  return (
    <main id="main">
      <h1 tabIndex={-1}>Applications</h1>
      <Shown of={loaded}>
        {({ items }) => (items.length === 0 ? <Guide /> : <List items={items} query={query} />)}
      </Shown>
    </main>
  );
}

function List({ items, query }: { items: Application[]; query: string }) {
  const [all, setAll] = useState(false);
  const parsed = parse(query);
  const found = failingFirst(items.filter((item) => matches(item, parsed)));
  const rows = all ? found : found.slice(0, atOnce);
  return (
    <>
      <div class="tools">
        <Search query={query} />
        <p class="tally" role="status">
          {tally(items).map(([kind, count]) => {
            const look = severity(kind);
            const term = `state:${kind}`;
            const chosen = query === term;
            return (
              <a
                key={kind}
                class={chosen ? 'chip chosen' : 'chip'}
                aria-current={chosen ? 'true' : undefined}
                href={link({ page: 'applications', query: chosen ? '' : term })}
              >
                <Mark look={{ ...look, word: `${count} ${look.word}` }} />
              </a>
            );
          })}
        </p>
      </div>
      {parsed.unknown.length > 0 ? (
        <p class="banner" role="status">
          Not understood: {parsed.unknown.join(' ')}. Terms are {searchKeys.map((key) => `${key}:`).join(' ')}
        </p>
      ) : null}
      {found.length === 0 ? (
        <p class="nothing">
          No application matches. <a href={link({ page: 'applications', query: '' })}>Show all {items.length}</a>
        </p>
      ) : (
        <table class="list applications">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Application</th>
              <th scope="col" class="wide">Commit</th>
              <th scope="col" class="wide number">Age</th>
              <th scope="col" class="wide">Last sync</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((item) => (
              <Row key={`${item.namespace}/${item.name}`} item={item} />
            ))}
          </tbody>
        </table>
      )}
      {found.length > rows.length ? (
        <p class="more">
          <button type="button" onClick={() => setAll(true)}>
            Show all {found.length}
          </button>
        </p>
      ) : null}
      <p class="keys quiet">
        <kbd>/</kbd> search <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>g</kbd> then <kbd>a</kbd>{' '}
        <kbd>i</kbd> <kbd>r</kbd> go
      </p>
    </>
  );
}

function Row({ item }: { item: Application }) {
  const look = state(item.severity, item.why);
  // What the state says already is not said again.
  const holds = item.holds.map(hold).filter(({ word }) => word !== look.word.toLowerCase());
  const speaks = item.severity === 'failing' || item.severity === 'waiting';
  return (
    <tr class={item.severity}>
      <td class="state">
        <Mark look={look} />
      </td>
      <td class="application">
        <a data-row href={link({ page: 'application', namespace: item.namespace, name: item.name })}>
          <span class="quiet">{item.namespace}/</span>
          {item.name}
        </a>
        {holds.length > 0 ? (
          <span class="holds">
            {holds.map((one) => (
              <Mark key={one.word} look={one} />
            ))}
          </span>
        ) : null}
        {item.waitingFor.length > 0 ? (
          <p class="remark">
            waits: {item.waitingFor[0]}
            {item.waitingFor.length > 1 ? ` and ${item.waitingFor.length - 1} more` : ''}
            {item.nextTry ? (
              <>
                , looked at again <Until at={item.nextTry} />
              </>
            ) : null}
          </p>
        ) : null}
        {speaks ? <p class="because">{item.why.detail || item.why.sentence}</p> : null}
        <span class="narrow quiet">
          {item.commit ? (
            <>
              {item.commit.subject} <CommitId id={item.commit.id} /> <Time at={item.commit.time} />
            </>
          ) : (
            'no commit yet'
          )}
        </span>
      </td>
      <td class="wide">
        <CommitLine commit={item.commit} />
      </td>
      <td class="wide number">{item.commit ? <Time at={item.commit.time} /> : null}</td>
      <td class="wide last">
        {item.lastSync ? (
          <a href={link({ page: 'sync', id: item.lastSync.id })}>
            <span class="unseen">Last sync of {item.name}: </span>
            <Mark look={result(item.lastSync.result)} />{' '}
            {item.lastSync.finishedAt ? (
              <span class="quiet">
                <Time at={item.lastSync.finishedAt} />
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

function Search({ query }: { query: string }) {
  return (
    <search>
      <input
        id="search"
        type="search"
        aria-label="Search applications"
        placeholder="Search: words, health:degraded, ns:pay*"
        title={`Words, and terms with ${searchKeys.map((key) => `${key}:`).join(' ')}`}
        spellcheck={false}
        autocomplete="off"
        value={query}
        onInput={(event) => searchFor({ page: 'applications', query: event.currentTarget.value })}
      />
    </search>
  );
}

const repositoryYaml = `apiVersion: syncline.dev/v1alpha1
kind: Repository
metadata:
  name: config
  namespace: default
spec:
  url: https://git.example.com/acme/config.git
  ref:
    branch: main
`;
const applicationYaml = `apiVersion: syncline.dev/v1alpha1
kind: Application
metadata:
  name: web
  namespace: default
spec:
  repository: config
  path: apps/web
  serviceAccount: deployer
`;

function Guide() {
  return (
    <section class="guide">
      <p>There is no application yet. This is all it takes:</p>
      <ol>
        <li>
          <h2>Say where your configuration lives</h2>
          <Copy text={repositoryYaml} />
        </li>
        <li>
          <h2>Say what to run from it</h2>
          <Copy text={applicationYaml} />
        </li>
        <li>
          <h2>Apply both</h2>
          <p>
            <code>kubectl apply -f config.yaml</code>. The service account needs the rights to write what is
            under the path. This page shows the application as soon as it exists.
          </p>
        </li>
      </ol>
    </section>
  );
}
