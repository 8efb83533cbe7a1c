// One application: why it is as it is, its objects, its history.
import { useEffect, useState } from 'preact/hooks';
import { Failed, post } from '../client.ts';
import { useLoaded } from '../load.ts';
import type { Application, ApplicationDetail, Change, ImagePolicyName, ObjectView, Sync } from '../model.ts';
import { HealthTimeline } from '../parts/health.tsx';
import { Mark } from '../parts/mark.tsx';
import { Older } from '../parts/older.tsx';
import { OrderAndTime } from '../parts/order.tsx';
import { WaitingPlan } from '../parts/plan.tsx';
import { RolloutStrip } from '../parts/rollout.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitId, CommitLine, ObjectText, Place, Time } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import { between, duration } from '../time.ts';
import * as words from '../words.ts';

export function ApplicationPage({ namespace, name }: { namespace: string; name: string }) {
  const key = `${namespace}/${name}`;
  const path = `applications/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const concerns = (change: Change) =>
    (change.topic === 'application' || change.topic === 'sync') && change.key === key;
  const loaded = useLoaded<ApplicationDetail>(path, concerns);
  const severity = loaded.data?.summary.severity;
  useEffect(() => {
    document.title = `${severity === 'failing' ? '(failing) ' : ''}${key} · Syncline`;
  }, [key, severity]);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link({ page: 'applications', query: '' })}>Applications</a> /{' '}
        <a href={link({ page: 'applications', query: `ns:${namespace}` })}>{namespace}</a>
      </nav>
      <Shown of={loaded}>
        {(detail) => (
          <>
            <header class="heading">
              <h1 tabIndex={-1}>{name}</h1>
              <SyncNow application={detail.summary} path={path} />
            </header>
            <WhyPanel
              why={detail.summary.why}
              look={words.state(detail.summary.severity, detail.summary.why)}
              waits={{
                waitingFor: detail.summary.waitingFor,
                nextTry: detail.summary.nextTry ?? null,
                gates: detail.gates,
              }}
            />
            {detail.rollout ? <RolloutStrip rollout={detail.rollout} home={detail.summary.destination} /> : null}
            {detail.approval ? (
              <WaitingPlan key={detail.approval.planHash} path={path} approval={detail.approval} application={detail.summary} />
            ) : null}
            <Facts detail={detail} />
            <OrderAndTime detail={detail} />
            <Objects objects={detail.objects} home={detail.summary.destination} />
          </>
        )}
      </Shown>
      {loaded.data ? <HealthTimeline path={`${path}/health-changes`} concerns={concerns} /> : null}
      {loaded.data ? <History path={`${path}/syncs`} concerns={concerns} /> : null}
    </main>
  );
}

function SyncNow({ application, path }: { application: Application; path: string }) {
  const [said, say] = useState('');
  const stops = application.holds.find((hold) => hold === 'frozen' || hold === 'suspended');
  const ask = async () => {
    say('Asking…');
    try {
      await post(`${path}/sync`);
      say('A sync was asked for.');
    } catch (error) {
      say(`Refused: ${error instanceof Failed ? error.message : 'something failed'}.`);
    }
  };
  return (
    <p class="actions">
      <span class="quiet" role="status" id="sync-now-says">
        {stops ? `The ${stops === 'frozen' ? 'agent' : 'application'} is ${stops}: no sync runs.` : said}
      </span>
      <button
        type="button"
        class="main-action"
        disabled={stops !== undefined}
        aria-describedby="sync-now-says"
        onClick={() => void ask()}
      >
        Sync now
      </button>
    </p>
  );
}

function Facts({ detail }: { detail: ApplicationDetail }) {
  const { summary, head } = detail;
  const behind = head && summary.revision && head.commit !== summary.revision.commit;
  return (
    <dl class="facts">
      <div class="broad">
        <dt>Applied</dt>
        <dd>
          <CommitLine commit={summary.commit} />
          {summary.commit ? (
            <span class="quiet">
              {' '}
              <Time at={summary.commit.time} /> old
            </span>
          ) : null}
          {behind ? (
            <span class="quiet">
              , current at <CommitId id={head.commit} />
            </span>
          ) : null}
        </dd>
      </div>
      <div>
        <dt>From</dt>
        <dd>
          {summary.repository}
          {summary.revision ? <span class="quiet"> at {summary.revision.branch}</span> : null}
          <br />
          <code>{summary.path}</code>
        </dd>
      </div>
      <div>
        <dt>To</dt>
        <dd>
          namespace {summary.destination}
          <br />
          <span class="quiet">as {detail.serviceAccount || 'no account'}</span>
        </dd>
      </div>
      <div>
        <dt>Health</dt>
        <dd>
          <Mark look={words.health(summary.health)} />
          {summary.healthSince ? (
            <span class="quiet">
              {' '}
              for <Time at={summary.healthSince} />
            </span>
          ) : null}
          {detail.healthCause.sentence ? (
            <>
              <br />
              <span class="quiet">
                {detail.healthCause.object ? (
                  <>
                    <ObjectText object={detail.healthCause.object} home={summary.destination} />:{' '}
                  </>
                ) : null}
                {detail.healthCause.sentence}
              </span>
            </>
          ) : null}
        </dd>
      </div>
      <div>
        <dt>Sync</dt>
        <dd>
          {detail.automatic ? 'automatic' : 'when asked for'}
          <br />
          <span class="quiet">drift is {detail.selfHeal ? 'repaired' : 'shown only'}</span>
        </dd>
      </div>
      {detail.checkedSlowly.length > 0 ? (
        <div>
          <dt>Checked slowly</dt>
          <dd>
            {detail.checkedSlowly.map((kind) => (
              <code key={kind} class="kind">
                {kind}
              </code>
            ))}
            <span class="quiet">not watched, so drift is found later</span>
          </dd>
        </div>
      ) : null}
      {detail.notes ? (
        <div class="broad">
          <dt>Notes of the chart</dt>
          <dd>
            <pre class="notes">{detail.notes}</pre>
          </dd>
        </div>
      ) : null}
      {summary.images.length > 0 ? (
        <div class="broad">
          <dt>Images</dt>
          <dd>
            {summary.images.map((image) => (
              <ImageLine key={image} image={image} policies={detail.policies} />
            ))}
          </dd>
        </div>
      ) : null}
    </dl>
  );
}

/** An image, and the policies that speak for it. */
function ImageLine({ image, policies }: { image: string; policies: ImagePolicyName[] }) {
  return (
    <span class="image">
      <code>{image}</code>
      {policies
        .filter((policy) => policy.image === image)
        .map(({ namespace, name }) => (
          <span key={name} class="quiet">
            {' by '}
            <a href={link({ page: 'image', namespace, name, rule: '', query: '' })}>
              <span class="unseen">the image policy </span>
              {name}
            </a>
          </span>
        ))}
    </span>
  );
}

const worst = ['Degraded', 'Missing', 'Unknown', 'Progressing', 'Suspended', 'Healthy'];

function Objects({ objects, home }: { objects: ObjectView[]; home: string }) {
  const sorted = [...objects].sort((a, b) => worst.indexOf(a.health) - worst.indexOf(b.health));
  return (
    <section aria-labelledby="objects">
      <h2 id="objects">
        Objects <span class="count">{objects.length}</span>
      </h2>
      {objects.length === 0 ? (
        <p class="nothing">Nothing was applied yet.</p>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Health</th>
              <th scope="col">Object</th>
              <th scope="col" class="wide">Defined in</th>
              <th scope="col" class="wide">Last action</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((item) => (
              <tr key={`${item.object.group}/${item.object.kind}/${item.object.namespace}/${item.object.name}`}>
                <td class="state">
                  <Mark look={words.health(item.health)} />
                </td>
                <td>
                  <ObjectText object={item.object} home={home} />
                  {item.healthMessage ? <p class={isBad(item.health) ? 'because' : 'remark'}>{item.healthMessage}</p> : null}
                  <span class="narrow">
                    <Place origin={item.origin} />
                  </span>
                </td>
                <td class="wide">
                  <Place origin={item.origin} />
                </td>
                <td class="wide quiet">
                  {item.lastAction ? words.action(item.lastAction, null).word : ''}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function History({ path, concerns }: { path: string; concerns: (change: Change) => boolean }) {
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <Older<Sync> path={path} concerns={concerns} none="No sync has run yet.">
        {(items) => <Syncs items={items} />}
      </Older>
    </section>
  );
}

/** Whether the message of a health says what is wrong, and not what is well or on its way. */
function isBad(health: ObjectView['health']): boolean {
  return health === 'Degraded' || health === 'Missing';
}

function Syncs({ items }: { items: Sync[] }) {
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">Result</th>
          <th scope="col">What it did</th>
          <th scope="col" class="wide">Trigger</th>
          <th scope="col" class="wide">Commit</th>
          <th scope="col" class="wide number">Took</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        {items.map((sync) => (
          <tr key={sync.id}>
            <td class="state">
              <Mark look={words.result(sync.result)} />
            </td>
            <td>
              <a data-row href={link({ page: 'sync', id: sync.id })}>
                {words.counts(sync.counts)}
              </a>
              {sync.failure ? <p class="because">{sync.failure.detail || sync.failure.sentence}</p> : null}
              <span class="narrow quiet">
                {words.cause(sync.cause)}
                {sync.commit ? `, ${sync.commit.subject}` : ''}
              </span>
            </td>
            <td class="wide">{words.cause(sync.cause)}</td>
            <td class="wide">
              <CommitLine commit={sync.commit} />
            </td>
            <td class="wide number">
              {sync.finishedAt ? duration(between(sync.startedAt, sync.finishedAt)) : ''}
            </td>
            <td class="number">
              <Time at={sync.startedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
