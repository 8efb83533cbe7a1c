// The list of image policies, failing first: what Git names, what would be chosen, when it is looked again.
import { useState } from 'preact/hooks';
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { Image, ImageList } from '../model.ts';
import { failingFirst, tally } from '../order.ts';
import { Chip } from '../parts/chip.tsx';
import { Copy } from '../parts/copy.tsx';
import { Mark } from '../parts/mark.tsx';
import { Pending } from '../parts/pending.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Prose, Time, Until } from '../parts/text.tsx';
import { link, searchFor } from '../route.ts';
import { imageKeys, matchesImage, parseForImages } from '../search.ts';
import { severity, state } from '../words.ts';

/** More rows than this are drawn only when asked for. */
const atOnce = 200;

const policyYaml = `apiVersion: syncline.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: web
  namespace: default
spec:
  image: registry.example.com/acme/web
  select:
    semver: ">=1.0 <2"
  update:
    repository: config
`;

export function ImagesPage({ query }: { query: string }) {
  const loaded = useLoaded<ImageList>('images', ({ topic }) => topic === 'image-policy');
  const failing = loaded.data?.items.filter((item) => item.severity === 'failing').length ?? 0;
  useTitle(failing > 0 ? `(${failing} failing) Images` : 'Images');
  return (
    <main id="main">
      <h1 tabIndex={-1}>Images</h1>
      <Shown of={loaded}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="There is no image policy yet">
              <p>
                One names an image and which of its tags may run; a newer tag then becomes a commit in your repository.
                Apply this with your names, and this page shows what became of each tag, and why.
              </p>
              <Copy text={policyYaml} />
            </Empty>
          ) : (
            <>
              {query === '' ? <Pending items={items} /> : null}
              <List items={items} query={query} />
            </>
          )
        }
      </Shown>
    </main>
  );
}

function List({ items, query }: { items: Image[]; query: string }) {
  const [all, setAll] = useState(false);
  const parsed = parseForImages(query);
  const found = failingFirst(items.filter((item) => matchesImage(item, parsed)));
  const rows = all ? found : found.slice(0, atOnce);
  return (
    <>
      <div class="tools">
        <search>
          <input
            id="search"
            type="search"
            aria-label="Search image policies"
            placeholder="Search: words, tags, state:failing, ns:pay*"
            title={`Words, and terms with ${imageKeys.map((key) => `${key}:`).join(' ')}`}
            spellcheck={false}
            autocomplete="off"
            value={query}
            onInput={(event) => searchFor({ page: 'images', query: event.currentTarget.value })}
          />
        </search>
        <p class="tally" role="status">
          {tally(items).map(([kind, count]) => {
            const look = severity(kind);
            const term = `state:${kind}`;
            const chosen = query === term;
            return (
              <Chip key={kind} chosen={chosen} to={link({ page: 'images', query: chosen ? '' : term })}>
                <Mark look={{ ...look, word: `${count} ${look.word}` }} />
              </Chip>
            );
          })}
        </p>
      </div>
      {parsed.unknown.length > 0 ? (
        <p class="banner" role="status">
          Not understood: {parsed.unknown.join(' ')}. Terms are {imageKeys.map((key) => `${key}:`).join(' ')}
        </p>
      ) : null}
      {found.length === 0 ? (
        <p class="nothing">
          No image policy matches. <a href={link({ page: 'images', query: '' })}>Show all {items.length}</a>
        </p>
      ) : (
        <table class="list stack">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Policy</th>
              <th scope="col" class="wide">In Git</th>
              <th scope="col" class="wide">Chosen</th>
              <th scope="col" class="wide number">Read</th>
              <th scope="col" class="wide number">Next</th>
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
    </>
  );
}

function Row({ item }: { item: Image }) {
  const { namespace, name } = item;
  const speaks = item.severity === 'failing' || item.severity === 'waiting';
  return (
    <tr class={item.severity}>
      <td class="state">
        <Mark look={state(item.severity, item.why)} />
      </td>
      <td>
        <a data-row href={link({ page: 'image', namespace, name, rule: '', query: '' })}>
          <span class="quiet">{namespace}/</span>
          {name}
        </a>
        <p class="remark">
          {item.image ? <code>{item.image}</code> : null} {item.select}
        </p>
        {speaks ? (
          <p class="because">
            <Prose text={item.why.detail || item.why.sentence} />
          </p>
        ) : null}
        <span class="narrow quiet">
          in Git <Tag tag={item.current} />, chosen <Tag tag={item.chosen} />
        </span>
      </td>
      <td class="wide">
        <Tag tag={item.current} />
      </td>
      <td class="wide">
        <Tag tag={item.chosen} />
      </td>
      <td class="wide number">{item.scannedAt ? <Time at={item.scannedAt} /> : 'not yet'}</td>
      <td class="wide number">{item.nextScan ? <Until at={item.nextScan} /> : 'now'}</td>
    </tr>
  );
}

function Tag({ tag }: { tag: string | null | undefined }) {
  return tag ? <code>{tag}</code> : <span class="quiet">none</span>;
}
