// Repositories: whether they can be read, how far they were read, and when again.
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { Repository, RepositoryList } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { CommitLine, Prose, Time, Until } from '../parts/text.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';

export function RepositoriesPage() {
  const loaded = useLoaded<RepositoryList>('repositories', ({ topic }) => topic === 'repository');
  useTitle('Repositories');
  return (
    <main id="main">
      <h1 tabIndex={-1}>Repositories</h1>
      <Shown of={loaded}>{({ items }) => (items.length === 0 ? <None /> : <Table items={failingFirst(items)} />)}</Shown>
    </main>
  );
}

function None() {
  return (
    <Empty title="There is no Repository yet">
      <p>
        <Prose text="A Repository names a Git repository and the branch that is followed. An Application of the same namespace then says which folder of it is applied." />
      </p>
      <p>Here stands then how far each was read, when it is asked again, and what to do where it cannot be.</p>
    </Empty>
  );
}

/** Those that cannot be read first; the others in their order. */
function failingFirst(items: Repository[]): Repository[] {
  const bad = (item: Repository) => words.reason(item.why).tone === 'bad';
  return [...items.filter(bad), ...items.filter((item) => !bad(item))];
}

function Table({ items }: { items: Repository[] }) {
  return (
    <table class="list stack">
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Repository</th>
          <th scope="col" class="wide">Newest commit</th>
          <th scope="col" class="wide">Webhook</th>
          <th scope="col" class="wide number">Applications</th>
          <th scope="col" class="number">Read</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <Row key={`${item.namespace}/${item.name}`} item={item} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ item }: { item: Repository }) {
  const { namespace, name } = item;
  const look = words.reason(item.why);
  return (
    <tr>
      <td class="state">
        <Mark look={look} />
      </td>
      <td>
        <a data-row href={link({ page: 'repository', namespace, name })}>
          <span class="quiet">{namespace}/</span>
          {name}
        </a>
        <p class="remark">
          <code class="place">{item.url}</code> {item.branch}
        </p>
        {look.tone !== 'good' ? (
          <p class={look.tone === 'bad' ? 'because' : 'remark'}>
            <Prose text={item.why.detail || item.why.sentence} />
            {item.why.remedy ? (
              <>
                . <b>What to do:</b> <Prose text={item.why.remedy} />
              </>
            ) : null}
          </p>
        ) : null}
        <span class="narrow quiet">
          {item.applications} {item.applications === 1 ? 'application' : 'applications'},{' '}
          {words.webhook(item.webhook).word}
        </span>
      </td>
      <td class="wide">
        <CommitLine commit={item.head} />
      </td>
      <td class="wide">
        <Webhook item={item} />
      </td>
      <td class="wide number">
        <a href={link({ page: 'applications', query: `ns:${namespace} repo:${name}` })}>
          {item.applications}
          <span class="unseen"> applications of {name}</span>
        </a>
      </td>
      <td class="number">
        {item.checkedAt ? <Time at={item.checkedAt} /> : 'not yet'}
        <span class="remark field">{item.nextLook ? <Until at={item.nextLook} /> : ''}</span>
      </td>
    </tr>
  );
}

function Webhook({ item }: { item: Repository }) {
  const last = item.lastDelivery;
  return (
    <>
      <Mark look={words.webhook(item.webhook)} />
      {last ? (
        <span class="remark field">
          last {words.delivery(last.verdict).word} <Time at={last.time} /> ago
        </span>
      ) : null}
    </>
  );
}
