// What an application is: what is applied, from where to where, how well it is, and its objects.
import type { ImagePolicyName, ApplicationDetail, ObjectView } from '../../model.ts';
import { written } from '../../objects.ts';
import { OneAction } from '../../parts/actions.tsx';
import { Mark } from '../../parts/mark.tsx';
import { OrderAndTime } from '../../parts/order.tsx';
import { WaitingPlan } from '../../parts/plan.tsx';
import { RolloutStrip } from '../../parts/rollout.tsx';
import { CommitId, CommitLine, ObjectText, Place, Time } from '../../parts/text.tsx';
import { link } from '../../route.ts';
import * as words from '../../words.ts';
import { subjectOf } from './subject.ts';
import type { TabProps } from './tabs.tsx';

export function Overview({ detail, path }: TabProps) {
  const { summary, approval, rollout } = detail;
  return (
    <>
      {rollout ? <RolloutStrip rollout={rollout} home={summary.destination} /> : null}
      {approval ? (
        <WaitingPlan
          key={approval.planHash}
          path={path}
          approval={approval}
          application={summary}
          approve={<OneAction subject={subjectOf(detail, path)} action="approve" />}
        />
      ) : null}
      <Facts detail={detail} />
      <OrderAndTime detail={detail} />
      <Objects objects={detail.objects} home={summary.destination} />
    </>
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
          {summary.repository ? (
            <a href={link({ page: 'repository', namespace: summary.namespace, name: summary.repository })}>{summary.repository}</a>
          ) : null}
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
            <pre class="notes" tabIndex={0}>{detail.notes}</pre>
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
        <table class="list stack">
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
              <tr key={written(item.object)}>
                <td class="state">
                  <Mark look={words.health(item.health)} />
                </td>
                <td>
                  <ObjectText object={item.object} home={home} />
                  {item.healthMessage ? <p class={words.health(item.health).tone === 'bad' ? 'because' : 'remark'}>{item.healthMessage}</p> : null}
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
