// Repositories: whether they can be read, and how far they were read.
import { useEffect } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import type { RepositoryList } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitLine, Time } from '../parts/text.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';

export function RepositoriesPage() {
  const loaded = useLoaded<RepositoryList>('repositories', ({ topic }) => topic === 'repository');
  useEffect(() => {
    document.title = 'Repositories · Syncline';
  }, []);
  return (
    <main id="main">
      <h1 tabIndex={-1}>Repositories</h1>
      <Shown of={loaded}>
        {({ items }) =>
          items.length === 0 ? (
            <p class="nothing">There is no Repository yet.</p>
          ) : (
            <table class="list">
              <thead>
                <tr>
                  <th scope="col">State</th>
                  <th scope="col">Repository</th>
                  <th scope="col" class="wide">Newest commit</th>
                  <th scope="col" class="wide number">Applications</th>
                  <th scope="col" class="number">Checked</th>
                </tr>
              </thead>
              <tbody>
                {items.map((item) => {
                  const look = words.reason(item.why);
                  return (
                    <tr key={`${item.namespace}/${item.name}`}>
                      <td class="state">
                        <Mark look={look} />
                      </td>
                      <td>
                        <span class="quiet">{item.namespace}/</span>
                        {item.name}
                        <br />
                        <code class="place">{item.url}</code> <span class="quiet">{item.branch}</span>
                        {look.tone !== 'good' ? (
                          <p class="because">{item.why.detail || item.why.sentence}</p>
                        ) : null}
                      </td>
                      <td class="wide">
                        <CommitLine commit={item.head} />
                      </td>
                      <td class="wide number">
                        <a
                          href={link({
                            page: 'applications',
                            query: `ns:${item.namespace} repo:${item.name}`,
                          })}
                        >
                          {item.applications}
                          <span class="unseen"> applications of {item.name}</span>
                        </a>
                      </td>
                      <td class="number">{item.checkedAt ? <Time at={item.checkedAt} /> : ''}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          )
        }
      </Shown>
    </main>
  );
}
