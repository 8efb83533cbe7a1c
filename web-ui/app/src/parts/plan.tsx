// The plan that waits: what it would do, and how it is approved.
import type { ComponentChildren } from 'preact';
import { useLoaded } from '../load.ts';
import type { Application, Approval, PlannedAction, Preview } from '../model.ts';
import { link } from '../route.ts';
import * as words from '../words.ts';
import { Changes } from './changes.tsx';
import { Copy } from './copy.tsx';
import { Mark } from './mark.tsx';
import { Shown } from './states.tsx';
import { CommitLine, ObjectText, Place } from './text.tsx';

interface Props {
  path: string;
  approval: Approval;
  application: Application;
  /** The button that approves it. */
  approve: ComponentChildren;
}

/** The agent makes a plan for each question, so it is asked once for each plan: give this its hash as key. */
export function WaitingPlan({ path, approval, application, approve }: Props) {
  const loaded = useLoaded<Preview>(`${path}/preview`, () => false);
  const { lastSync, destination } = application;
  return (
    <section class="approval" aria-labelledby="approval">
      <h2 id="approval">A plan waits for approval</h2>
      <p>
        {lastSync ? (
          <>
            <a href={link({ page: 'sync', id: lastSync.id })}>The last sync</a> shows what it holds back.{' '}
          </>
        ) : null}
        This approves plan <code>{approval.planHash}</code> and no other:
      </p>
      {approve}
      <Copy text={approval.command} />
      {approval.held.length > 0 ? (
        <ul>
          {approval.held.map((held) => (
            <li key={held}>{held}</li>
          ))}
        </ul>
      ) : null}
      <p class="quiet">
        Or push a commit whose message ends with the line <code>{approval.trailer}</code>.
      </p>
      <Shown of={loaded}>{(preview) => <Planned preview={preview} hash={approval.planHash} home={destination} />}</Shown>
    </section>
  );
}

/** What a plan would do; `hash` is that of the plan which is expected. */
export function Planned({ preview, hash, home }: { preview: Preview; hash?: string | undefined; home: string }) {
  const { actions, hooks, standing, touched, unread, warnings } = preview;
  const isAnother = hash !== undefined && preview.approval != null && preview.approval.planHash !== hash;
  return (
    <>
      <h3>What it would do</h3>
      {isAnother ? <p class="because">The plan has changed since: look again before it is approved.</p> : null}
      <p>
        {words.planned(preview.counts)}
        <span class="quiet">
          {standing > 0 ? `; ${standing} ${standing === 1 ? 'object stands' : 'objects stand'} as Git says` : ''}
        </span>
      </p>
      {preview.commit ? (
        <p>
          <CommitLine commit={preview.commit} />
        </p>
      ) : null}
      {actions.length > 0 ? (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Would be</th>
              <th scope="col">Object</th>
              <th scope="col" class="wide">Defined in</th>
            </tr>
          </thead>
          <tbody>
            {actions.map((action, index) => (
              <Row key={index} action={action} home={home} />
            ))}
          </tbody>
        </table>
      ) : null}
      {hooks.length > 0 ? (
        <ul>
          {hooks.map((hook, index) => (
            <li key={index}>
              <ObjectText object={hook.object} home={home} /> <span class="quiet">runs {hook.moment}</span>
            </li>
          ))}
        </ul>
      ) : null}
      {touched.length > 0 ? <p class="quiet">The commit touches other applications: {touched.join(', ')}.</p> : null}
      {unread.map((why, index) => (
        <p key={index} class="remark">
          Nothing is known of this: {why.detail || why.sentence}
        </p>
      ))}
      {warnings.map((warning) => (
        <p key={warning} class="remark">
          {warning}
        </p>
      ))}
    </>
  );
}

function Row({ action, home }: { action: PlannedAction; home: string }) {
  return (
    <tr>
      <td class="state">
        <Mark look={words.toBe(action.action)} />
      </td>
      <td>
        <ObjectText object={action.object} home={home} />
        {action.why ? <p class="remark">{action.why.detail || action.why.sentence}</p> : null}
        {action.notes.map((note) => (
          <p key={note} class="remark">
            {note}
          </p>
        ))}
        <Changes changes={action.changes} />
      </td>
      <td class="wide">
        <Place origin={action.origin} />
      </td>
    </tr>
  );
}
