// Image policies: what runs, what could run, and why each tag was chosen or not.
import { useEffect } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import type { ImagePolicy, ImagePolicyList } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitId, Time } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import * as words from '../words.ts';

export function ImagesPage() {
  const loaded = useLoaded<ImagePolicyList>('image-policies', ({ topic }) => topic === 'image-policy');
  useEffect(() => {
    document.title = 'Images · Syncline';
  }, []);
  return (
    <main id="main">
      <h1 tabIndex={-1}>Images</h1>
      <Shown of={loaded}>
        {({ items }) =>
          items.length === 0 ? (
            <p class="nothing">
              There is no ImagePolicy yet. One names an image and a range of versions; a newer tag then becomes
              a commit in your repository.
            </p>
          ) : (
            items.map((policy) => <Policy key={`${policy.namespace}/${policy.name}`} policy={policy} />)
          )
        }
      </Shown>
    </main>
  );
}

function Policy({ policy }: { policy: ImagePolicy }) {
  const id = `policy-${policy.namespace}-${policy.name}`;
  const { lastUpdate, verdicts } = policy;
  return (
    <section class="policy" aria-labelledby={id}>
      <h2 id={id}>
        <span class="quiet">{policy.namespace}/</span>
        {policy.name}
      </h2>
      <WhyPanel why={policy.why} look={words.reason(policy.why)} />
      <dl class="facts">
        <div class="broad">
          <dt>Image</dt>
          <dd>
            <code>{policy.image}</code>
          </dd>
        </div>
        <div>
          <dt>Allowed</dt>
          <dd>
            <code>{policy.range}</code>
          </dd>
        </div>
        <div>
          <dt>In Git</dt>
          <dd>{policy.current ? <code>{policy.current}</code> : <span class="quiet">nowhere</span>}</dd>
        </div>
        <div>
          <dt>Newest allowed</dt>
          <dd>{policy.latest ? <code>{policy.latest}</code> : <span class="quiet">none</span>}</dd>
        </div>
        <div>
          <dt>Registry read</dt>
          <dd>
            {policy.scannedAt ? (
              <>
                <Time at={policy.scannedAt} /> ago
              </>
            ) : (
              <span class="quiet">not yet</span>
            )}
          </dd>
        </div>
        {lastUpdate ? (
          <div class="broad">
            <dt>Last update</dt>
            <dd>
              <code>{lastUpdate.old}</code> to <code>{lastUpdate.new}</code> in <CommitId id={lastUpdate.commit} />,{' '}
              <Time at={lastUpdate.time} /> ago
              <br />
              {lastUpdate.files.map((file) => (
                <code key={file} class="place">
                  {file}
                </code>
              ))}
            </dd>
          </div>
        ) : null}
      </dl>
      {verdicts.length > 0 ? (
        <details open={verdicts.length <= 12}>
          <summary>
            {verdicts.length} {verdicts.length === 1 ? 'tag' : 'tags'}
          </summary>
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Verdict</th>
                <th scope="col">Tag</th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {verdicts.map((verdict) => (
                <tr key={verdict.tag}>
                  <td class="state">
                    <Mark look={words.verdict(verdict.verdict)} />
                  </td>
                  <td>
                    <code>{verdict.tag}</code>
                  </td>
                  <td class="quiet">{verdict.rule}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      ) : null}
    </section>
  );
}
