// One sync: what asked for it, its steps, what became of each object, what others had changed.
import { useEffect } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import type { SyncDetail } from '../model.ts';
import { Changes } from '../parts/changes.tsx';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { CommitId, CommitLine, Moment, ObjectText, Place, Prose, Time } from '../parts/text.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import { between, duration } from '../time.ts';
import * as words from '../words.ts';

export function SyncPage({ id }: { id: string }) {
  const path = `syncs/${encodeURIComponent(id)}`;
  // What has ended does not change.
  let done = false;
  const loaded = useLoaded<SyncDetail>(path, ({ topic }) => topic === 'sync' && !done);
  done = loaded.data?.summary.result !== undefined && loaded.data.summary.result !== 'running';
  const of = loaded.data ? `${loaded.data.summary.namespace}/${loaded.data.summary.application}` : '';
  useEffect(() => {
    document.title = of ? `Sync of ${of} · Syncline` : 'Sync · Syncline';
  }, [of]);
  return (
    <main id="main">
      <Shown of={loaded}>{(detail) => <Sync detail={detail} />}</Shown>
    </main>
  );
}

function Sync({ detail }: { detail: SyncDetail }) {
  const { summary: sync } = detail;
  const { namespace, application } = sync;
  return (
    <>
      <nav class="crumbs" aria-label="Where you are">
        <a href={link({ page: 'applications', query: '' })}>Applications</a> /{' '}
        <a href={link({ page: 'applications', query: `ns:${namespace}` })}>{namespace}</a> /{' '}
        <a href={link({ page: 'application', namespace, name: application })}>{application}</a>
      </nav>
      <header class="heading">
        <h1 tabIndex={-1}>
          Sync of {application} <Mark look={words.result(sync.result)} />
        </h1>
      </header>
      {sync.failure ? <WhyPanel why={sync.failure} look={words.reason(sync.failure)} /> : null}
      <dl class="facts">
        <div>
          <dt>Trigger</dt>
          <dd>{words.cause(sync.cause)}</dd>
        </div>
        <div class="broad">
          <dt>Commit</dt>
          <dd>
            <CommitLine commit={sync.commit} />
            {sync.previous && sync.previous !== sync.revision?.commit ? (
              <span class="quiet">
                {' '}
                after <CommitId id={sync.previous} />
              </span>
            ) : null}
          </dd>
        </div>
        <div>
          <dt>Began</dt>
          <dd>
            <Moment at={sync.startedAt} />
            <br />
            <span class="quiet">
              <Time at={sync.startedAt} /> ago
            </span>
          </dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>
            {sync.finishedAt ? duration(between(sync.startedAt, sync.finishedAt)) : 'still running'}
            <br />
            <span class="quiet">queued {duration(between(sync.queuedAt, sync.startedAt))}</span>
          </dd>
        </div>
      </dl>
      <Steps detail={detail} />
      <Outcomes detail={detail} />
      <Drift detail={detail} />
    </>
  );
}

function Steps({ detail }: { detail: SyncDetail }) {
  const total = detail.steps.reduce((sum, step) => sum + step.micros, 0);
  let before = 0;
  if (detail.steps.length === 0) return null;
  return (
    <section aria-labelledby="steps">
      <h2 id="steps">Steps</h2>
      <table class="list steps">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" class="number">Took</th>
            <th scope="col">
              <span class="unseen">Share of the whole</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {detail.steps.map((step) => {
            const start = total > 0 ? (before / total) * 100 : 0;
            const share = total > 0 ? (step.micros / total) * 100 : 0;
            before += step.micros;
            return (
              <tr key={step.name}>
                <td>{step.name}</td>
                <td class="number">{duration(step.micros)}</td>
                <td class="bar">
                  <svg width="100%" height="10" role="img" aria-label={`${Math.round(share)} percent`}>
                    <rect x={`${start}%`} y="1" width={`${Math.max(share, 0.4)}%`} height="8" rx="2" />
                  </svg>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Outcomes({ detail }: { detail: SyncDetail }) {
  const { outcomes, summary } = detail;
  const failing = [...outcomes].sort((a, b) => Number(Boolean(b.failure)) - Number(Boolean(a.failure)));
  const unchanged = summary.counts.unchanged;
  return (
    <section aria-labelledby="outcomes">
      <h2 id="outcomes">
        Objects <span class="count">{outcomes.length}</span>
      </h2>
      {outcomes.length > 0 ? (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Outcome</th>
              <th scope="col">Object</th>
              <th scope="col" class="wide">Defined in</th>
            </tr>
          </thead>
          <tbody>
            {failing.map((outcome, index) => (
              <tr key={index}>
                <td class="state">
                  <Mark look={words.action(outcome.action, outcome.failure)} />
                </td>
                <td>
                  <ObjectText object={outcome.object} home={summary.namespace} />
                  {outcome.failure ? (
                    <p class="because">
                      <Prose text={outcome.failure.sentence} />
                      {outcome.failure.detail ? `: ${outcome.failure.detail}` : ''}.
                      {outcome.failure.remedy ? (
                        <span class="quiet">
                          {' '}
                          <Prose text={outcome.failure.remedy} />.
                        </span>
                      ) : null}
                    </p>
                  ) : null}
                  <Note text={outcome.note} />
                  <Changes changes={outcome.changes} />
                  <span class="narrow">{outcome.origin ? <Place origin={outcome.origin} /> : null}</span>
                </td>
                <td class="wide">
                  <Place origin={outcome.origin} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      {unchanged > 0 ? (
        <p class="quiet">
          {unchanged} {unchanged === 1 ? 'object' : 'objects'} needed nothing.
        </p>
      ) : outcomes.length === 0 ? (
        <p class="nothing">No object was touched.</p>
      ) : null}
    </section>
  );
}

/** A sentence; the log of a hook as it is. */
function Note({ text }: { text: string }) {
  if (!text) return null;
  if (!text.includes('\n')) return <p class="note quiet">{text}</p>;
  return (
    <pre class="log" tabIndex={0}>
      {text}
    </pre>
  );
}

function Drift({ detail }: { detail: SyncDetail }) {
  if (detail.drift.length === 0) return null;
  return (
    <section aria-labelledby="drift">
      <h2 id="drift">
        Changed by others <span class="count">{detail.drift.length}</span>
      </h2>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Object</th>
            <th scope="col" class="wide">By</th>
            <th scope="col">Fields</th>
            <th scope="col" class="number wide">Age</th>
          </tr>
        </thead>
        <tbody>
          {detail.drift.map((drift, index) => (
            <tr key={index}>
              <td>
                {drift.object}
                <span class="narrow quiet">by {drift.manager}</span>
              </td>
              <td class="wide">{drift.manager}</td>
              <td>
                {drift.fields.length > 0 ? (
                  drift.fields.map((field) => (
                    <code key={field} class="field">
                      {field}
                    </code>
                  ))
                ) : (
                  <span class="quiet">the object was gone</span>
                )}
              </td>
              <td class="number wide">{drift.time ? <Time at={drift.time} /> : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
