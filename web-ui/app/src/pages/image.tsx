// One image policy: what it chose and why, where it writes, what holds it, what it has done.
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { Change, HeldTag, ImageDetail, ImagePlace, ImageUpdate } from '../model.ts';
import { Actions, OneAction, type Subject } from '../parts/actions.tsx';
import { Copy } from '../parts/copy.tsx';
import { Older } from '../parts/older.tsx';
import { Shown } from '../parts/states.tsx';
import { Tags } from '../parts/tags.tsx';
import { CommitId, Prose, Time, Until } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import { pathOf } from '../tags.ts';
import * as words from '../words.ts';

export function ImagePage(props: { namespace: string; name: string; rule: string; query: string }) {
  const { namespace, name } = props;
  const key = `${namespace}/${name}`;
  const path = pathOf(namespace, name);
  const concerns = (change: Change) => change.topic === 'image-policy' && change.key === key;
  const loaded = useLoaded<ImageDetail>(path, concerns);
  const severity = loaded.data?.summary.severity;
  useTitle(`${severity === 'failing' ? '(failing) ' : ''}${key} · Images`);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link({ page: 'images', query: '' })}>Images</a> /{' '}
        <a href={link({ page: 'images', query: `ns:${namespace}` })}>{namespace}</a>
      </nav>
      <header class="heading">
        <h1 tabIndex={-1}>{name}</h1>
        {loaded.data ? (
          <Actions subject={subjectOf(loaded.data, path)} allowed={loaded.data.allowedActions} loaded={loaded.data} />
        ) : null}
      </header>
      <Shown of={loaded}>
        {(detail) => (
          <>
            <WhyPanel why={detail.summary.why} look={words.state(detail.summary.severity, detail.summary.why)} />
            <Notes detail={detail} />
            <Facts detail={detail} />
            {detail.pinned ? <PinnedTag pinned={detail.pinned} subject={subjectOf(detail, path)} /> : null}
            {detail.held.length > 0 ? <Held items={detail.held} subject={subjectOf(detail, path)} /> : null}
            <Places items={detail.places} repository={detail.summary.repository} />
            <Tags path={path} concerns={concerns} detail={detail} rule={props.rule} query={props.query} />
            <section aria-labelledby="updates">
              <h2 id="updates">Updates</h2>
              <Older<ImageUpdate> path={`${path}/updates`} concerns={concerns} none="It has made no commit yet.">
                {(items) => <Updates items={items} />}
              </Older>
            </section>
          </>
        )}
      </Shown>
    </main>
  );
}

/** What is worth knowing beside the state. */
function Notes({ detail }: { detail: ImageDetail }) {
  const { summary, remarks, warnings } = detail;
  const notes = remarks.filter((why) => why.reason !== summary.why.reason);
  if (notes.length === 0 && warnings.length === 0) return null;
  return (
    <ul class="pauses" aria-label="Remarks">
      {notes.map((why) => (
        <li key={why.reason} class="remark">
          <Prose text={why.sentence} />: <Prose text={why.detail} />.
        </li>
      ))}
      {warnings.map((warning) => (
        <li key={warning} class="remark">
          A warning: <Prose text={warning} />.
        </li>
      ))}
    </ul>
  );
}

function Facts({ detail }: { detail: ImageDetail }) {
  const { summary, applications, filter } = detail;
  return (
    <dl class="facts">
      <div class="broad">
        <dt>Image</dt>
        <dd>{summary.image ? <code>{summary.image}</code> : <span class="quiet">not readable</span>}</dd>
      </div>
      <div>
        <dt>Allowed</dt>
        <dd>
          <code>{summary.select}</code>
          {filter.map((word) => (
            <span key={word} class="quiet field">
              <Prose text={word} />
            </span>
          ))}
        </dd>
      </div>
      <div>
        <dt>In Git</dt>
        <dd>{summary.current ? <code>{summary.current}</code> : <span class="quiet">nowhere</span>}</dd>
      </div>
      <div>
        <dt>Chosen</dt>
        <dd>{summary.chosen ? <code>{summary.chosen}</code> : <span class="quiet">none</span>}</dd>
      </div>
      <div>
        <dt>Registry read</dt>
        <dd>
          {summary.scannedAt ? (
            <>
              <Time at={summary.scannedAt} /> ago
            </>
          ) : (
            <span class="quiet">not yet</span>
          )}
          <br />
          <span class="quiet">again {summary.nextScan ? <Until at={summary.nextScan} /> : 'now'}</span>
        </dd>
      </div>
      {applications.length > 0 ? (
        <div class="broad">
          <dt>Run by</dt>
          <dd>
            {applications.map((user) => (
              <span key={`${user.namespace}/${user.name}`} class="image">
                <a href={link({ page: 'application', namespace: user.namespace, name: user.name })}>{user.name}</a>{' '}
                <span class="quiet">{user.images.map((image) => version(image, summary.image)).join(', ')}</span>
              </span>
            ))}
          </dd>
        </div>
      ) : null}
    </dl>
  );
}

/** A reference without the name that is known already. */
function version(reference: string, image: string): string {
  return reference.startsWith(image) ? reference.slice(image.length).replace(/^:/, '') : reference;
}

/** What the actions have to know of an image policy. */
function subjectOf({ summary, held }: ImageDetail, path: string): Subject {
  return { target: 'image', key: `${summary.namespace}/${summary.name}`, path, held };
}

function PinnedTag({ pinned, subject }: { pinned: NonNullable<ImageDetail['pinned']>; subject: Subject }) {
  return (
    <section class="approval" aria-labelledby="pinned">
      <h2 id="pinned">Pinned</h2>
      <p>
        <Prose text={pinned.sentence} />
        {pinned.since ? (
          <>
            , <Time at={pinned.since} /> ago
          </>
        ) : null}
        . No other tag is chosen. <OneAction subject={subject} action="unpin" class="small" />
      </p>
    </section>
  );
}

function Held({ items, subject }: { items: HeldTag[]; subject: Subject }) {
  return (
    <section class="approval" aria-labelledby="held">
      <h2 id="held">
        Held <span class="count">{items.length}</span>
      </h2>
      {items.map((item) => (
        <div key={item.tag}>
          <h3>
            <code>{item.tag}</code>{' '}
            {item.since ? (
              <span class="quiet">
                for <Time at={item.since} />
              </span>
            ) : null}
          </h3>
          <p>
            <Prose text={item.sentence} />.
          </p>
          <p class="quiet">
            A newer tag is taken all the same. <OneAction subject={subject} action="release" given={{ tag: item.tag }} label="Release…" class="small" />
          </p>
          <p class="quiet">This releases it as well:</p>
          <Copy text={item.command} />
          {item.trailer ? (
            <p class="quiet">
              Or push a commit whose message ends with the line <code>{item.trailer}</code>.
            </p>
          ) : null}
        </div>
      ))}
    </section>
  );
}

function Places({ items, repository }: { items: ImagePlace[]; repository: string }) {
  return (
    <section aria-labelledby="places">
      <h2 id="places">
        Places in Git <span class="count">{items.length}</span>
      </h2>
      {items.length === 0 ? (
        <p class="nothing">No place of {repository || 'the repository'} is known that names the image.</p>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Place in {repository}</th>
              <th scope="col">Names</th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <tr key={`${item.file}:${item.line}`}>
                <td>
                  <code class="place">
                    {item.file}
                    {item.line ? `:${item.line}` : ''}
                  </code>
                  {item.marked ? <span class="quiet"> by its marker</span> : null}
                  {item.refused ? (
                    <p class="because">
                      <Prose text={item.refused.detail || item.refused.sentence} />
                    </p>
                  ) : null}
                </td>
                <td>{item.tag ? <code>{item.tag}</code> : <span class="quiet">not edited</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Updates({ items }: { items: ImageUpdate[] }) {
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col">Commit</th>
          <th scope="col" class="wide">Places</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        {items.map((update) => (
          <tr key={update.id}>
            <td>
              <code>{update.old}</code>
            </td>
            <td>
              <code>{update.new}</code>
            </td>
            <td>
              <CommitId id={update.commit} />
            </td>
            <td class="wide">
              {update.files.map((file) => (
                <code key={file} class="place field">
                  {file}
                </code>
              ))}
            </td>
            <td class="number">
              <Time at={update.time} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
