// What a person can do: buttons that say why not, and dialogs that say first what will happen.
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import type { Fields, Kind, Target } from '../actions.ts';
import * as actions from '../actions.ts';
import { act, Failed, get } from '../client.ts';
import { now } from '../clock.ts';
import { useLoaded } from '../load.ts';
import type { ActionAnswer, AllowedAction, HeldTag, SyncList } from '../model.ts';
import * as words from '../words.ts';
import { Copy } from './copy.tsx';
import { Dialog } from './dialog.tsx';
import { Menu } from './menu.tsx';
import { Planned } from './plan.tsx';
import { CommitId, Prose, Time } from './text.tsx';
import { say, type Toast } from './toast.tsx';

/** What is acted on, and what a dialog has to know of it. */
export interface Subject {
  target: Target;
  /** `namespace/name`, for people; empty for the agent. */
  key: string;
  /** Its path in the API. */
  path: string;
  /** The namespace that its objects go to. */
  home?: string;
  /** The Application that keeps it as Git says. */
  keptBy?: string | null;
  /** The commit that runs. */
  commit?: string;
  /** The hash of the plan that waits. */
  plan?: string;
  lastSync?: string;
  /** Tags that can be released. */
  held?: HeldTag[];
}

/** Something changed since it was asked for: give this what was loaded, so that the wait ends. */
export function Actions(props: { subject: Subject; allowed: AllowedAction[]; loaded: unknown }) {
  const { subject, allowed } = props;
  const [open, setOpen] = useState<string>();
  const [asked, setAsked] = useState<string>();
  const [why, setWhy] = useState('');
  useEffect(() => setAsked(undefined), [props.loaded]);
  const row = actions.inTheRow(subject.target, allowed);
  const order = (one: AllowedAction) => row.indexOf(one.action);
  const first = allowed.filter((one) => order(one) >= 0).sort((a, b) => order(a) - order(b));
  const rest = allowed.filter((one) => order(one) < 0);
  const choose = (one: AllowedAction) => {
    if (one.whyNot != null) {
      setWhy(`${labelOf(subject.target, one.action)}: ${one.whyNot}.`);
      return;
    }
    setWhy('');
    if (one.action === 'refresh') void refresh();
    else setOpen(one.action);
  };
  // It changes nothing, so nobody has to be asked first.
  const refresh = async () => {
    setAsked('refresh');
    try {
      const answer = await act<ActionAnswer>(subject.path, { action: 'refresh' }, actions.newKey());
      say({ text: `\`${subject.key}\`: ${answer.sentence}.` });
    } catch (error) {
      setWhy(`${Failed.of(error).message}.`);
    }
    setAsked(undefined);
  };
  const button = (one: AllowedAction) => (
    <ActionButton
      key={one.action}
      target={subject.target}
      one={one}
      asked={asked === one.action}
      choose={() => choose(one)}
    />
  );
  return (
    <div class="actions" role="group" aria-label="Actions">
      {first.map(button)}
      {rest.length > 0 ? (
        <Menu name="More" closes>
          {rest.map(button)}
        </Menu>
      ) : null}
      <span class="quiet because-not" role="status">
        <Prose text={why} />
      </span>
      {open !== undefined ? (
        <ActionDialog
          subject={subject}
          action={open}
          close={() => setOpen(undefined)}
          done={() => {
            setAsked(open);
            setOpen(undefined);
          }}
        />
      ) : null}
    </div>
  );
}

function labelOf(target: Target, action: string): string {
  return (actions.kind(target, action)?.label ?? action).replace('…', '');
}

/** A button that is shut can be reached all the same: it says why. */
function ActionButton(props: { target: Target; one: AllowedAction; asked: boolean; choose: () => void }) {
  const { one, asked } = props;
  const kind = actions.kind(props.target, one.action);
  if (!kind) return null;
  const shut = one.whyNot != null;
  return (
    <button
      type="button"
      data-action={one.action}
      class={one.action === 'sync' ? 'main-action' : undefined}
      aria-disabled={shut || asked ? 'true' : undefined}
      aria-busy={asked ? 'true' : undefined}
      title={one.whyNot ?? undefined}
      onClick={() => {
        if (!asked) props.choose();
      }}
    >
      {asked ? `${kind.label.replace('…', '')} asked for` : kind.label}
      {shut ? <span class="unseen">, not now: {one.whyNot}</span> : null}
    </button>
  );
}

interface DialogProps {
  subject: Subject;
  action: string;
  given?: Partial<Fields>;
  close: () => void;
  done: () => void;
}

/** Asks for what is needed, says what will happen, and does it when that is confirmed. */
export function ActionDialog(props: DialogProps) {
  const { subject, action } = props;
  const kind = actions.kind(subject.target, action);
  const [fields, setFields] = useState<Fields>({ ...actions.nothing(), ...props.given });
  const [sending, setSending] = useState(false);
  const [failed, setFailed] = useState('');
  const key = useRef(actions.newKey());
  const form = useId();
  const tried = useTried(subject, action, kind, fields);
  const followed = useMemo(() => followedBy(subject, action), [subject.lastSync]);
  if (!kind) return null;
  const set = (field: keyof Fields, value: string) => {
    setFields({ ...fields, [field]: value });
    // Another body is another call.
    key.current = actions.newKey();
  };
  const plan = subject.plan !== undefined && action === 'approve' ? subject.plan : tried.answer?.rollback?.plan;
  // What Git has is changed here only by somebody who says so.
  const keeps = kind.fields.includes('force') && subject.keptBy && fields.force === '';
  const may = actions.isComplete(kind, fields) && tried.answer !== undefined && !sending && !keeps;
  const confirm = async () => {
    if (!may) return;
    setSending(true);
    setFailed('');
    try {
      const answer = await act<ActionAnswer>(subject.path, actions.body(action, kind, fields, plan), key.current);
      const follows = await followed;
      say({
        text: subject.key ? `\`${subject.key}\`: ${answer.sentence}.` : actions.sentence(answer.sentence),
        ...(follows ? { follows } : {}),
      });
      props.done();
    } catch (error) {
      setFailed(Failed.of(error).message);
      setSending(false);
      key.current = actions.newKey();
    }
  };
  return (
    <Dialog
      title={`${kind.title}${subject.key ? `: ${subject.key}` : ''}`}
      onClose={props.close}
      footer={
        <>
          {failed ? (
            <p class="invalid" role="alert">
              <Prose text={actions.sentence(failed)} />
            </p>
          ) : null}
          <button type="button" onClick={props.close}>
            Cancel
          </button>
          <button type="submit" form={form} class={kind.grave ? 'main-action danger' : 'main-action'} disabled={!may}>
            {sending ? 'Asking…' : kind.confirm}
          </button>
        </>
      }
    >
      <form
        id={form}
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        {kind.fields.map((field) => (
          <FieldOf key={field} field={field} subject={subject} action={action} value={fields[field]} set={(value) => set(field, value)} />
        ))}
      </form>
      <WhatHappens tried={tried} subject={subject} reason={kind.fields.includes('reason') ? fields.reason : undefined} />
    </Dialog>
  );
}

/** The sync to wait for is the one after the last; a row of a list does not say which that is. */
async function followedBy({ target, key, path, lastSync }: Subject, action: string): Promise<Toast['follows']> {
  if (target !== 'application' || !actions.leadsToSync(action)) return undefined;
  if (lastSync !== undefined) return { key, path, after: lastSync };
  try {
    const { items } = await get<SyncList>(`${path}/syncs?limit=1`);
    return { key, path, after: items[0]?.id };
  } catch {
    // What is asked for is done all the same; only its end is not shown.
    return undefined;
  }
}

interface Tried {
  answer: ActionAnswer | undefined;
  error: string;
  busy: boolean;
}

/** A pause in typing, before the agent is asked what would happen. */
const pause = 300;

/** Asks what would happen, whenever what was filled in is complete and another. */
function useTried(subject: Subject, action: string, kind: Kind | undefined, fields: Fields): Tried {
  const [tried, setTried] = useState<Tried>({ answer: undefined, error: '', busy: true });
  const isRollback = action === 'rollback';
  // A rollback is rendered: its reason changes nothing of that.
  const asked = isRollback ? { ...fields, reason: fields.reason.trim() || 'why' } : fields;
  const plan = action === 'approve' ? subject.plan : undefined;
  const complete = kind !== undefined && actions.isComplete(kind, asked);
  const request = kind && complete ? actions.body(action, kind, asked, plan) : undefined;
  const what = JSON.stringify(isRollback ? { ...request, reason: '' } : (request ?? null));
  useEffect(() => {
    if (!request) {
      setTried({ answer: undefined, error: '', busy: false });
      return;
    }
    setTried((old) => ({ answer: isRollback ? undefined : old.answer, error: '', busy: true }));
    const aborter = new AbortController();
    const timer = window.setTimeout(() => {
      act<ActionAnswer>(subject.path, request, undefined, aborter.signal).then(
        (answer) => setTried({ answer, error: '', busy: false }),
        (error: unknown) => {
          if (aborter.signal.aborted) return;
          setTried({ answer: undefined, error: Failed.of(error).message, busy: false });
        },
      );
    }, pause);
    return () => {
      window.clearTimeout(timer);
      aborter.abort();
    };
  }, [subject.path, what]);
  return tried;
}

function WhatHappens({ tried, subject, reason }: { tried: Tried; subject: Subject; reason: string | undefined }) {
  const { answer, error, busy } = tried;
  if (error) {
    return (
      <p class="invalid happening" role="alert">
        <Prose text={actions.sentence(error)} />
      </p>
    );
  }
  if (!answer) {
    return (
      <p class="quiet happening" role="status">
        {busy ? 'Asking what would happen…' : ''}
      </p>
    );
  }
  const { rollback, preview } = answer;
  return (
    <section class="happens" aria-label="What will happen">
      <h3>What will happen</h3>
      <p>
        <Prose text={actions.sentence(answer.sentence)} />
      </p>
      {answer.notes.map((note) => (
        <p key={note} class="remark">
          <Prose text={actions.sentence(note)} />
        </p>
      ))}
      {rollback ? (
        <>
          <Lines title="Commits that are taken back" lines={rollback.commits} />
          <Lines title="Files that come back" lines={rollback.files} />
          <Lines title="Other applications that read one of them" lines={rollback.others} />
        </>
      ) : null}
      {preview ? <Planned preview={preview} hash={subject.plan} home={subject.home ?? ''} /> : null}
      <h3>The same on the command line</h3>
      <Copy text={reason === undefined ? answer.command : keepUntil(answer.command, reason)} />
    </section>
  );
}

/** The reason that is being typed; what follows it in the command stays. */
function keepUntil(command: string, reason: string): string {
  const [before, until] = command.split(/(?= --until \S+$)/);
  return actions.withReason(before ?? command, reason) + (until ?? '');
}

function Lines({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="listed" tabIndex={0} aria-label={title}>
        {lines.map((line) => (
          <li key={line}>
            <code>{line}</code>
          </li>
        ))}
      </ul>
    </>
  );
}

interface FieldProps {
  field: keyof Fields;
  subject: Subject;
  action: string;
  value: string;
  set: (value: string) => void;
}

function FieldOf({ field, subject, action, value, set }: FieldProps) {
  switch (field) {
    case 'reason':
      return (
        <label>
          <span>Why, for the next person who looks</span>
          <textarea rows={2} maxLength={512} required value={value} onInput={(event) => set(event.currentTarget.value)} />
        </label>
      );
    case 'until':
      return <UntilField value={value} set={set} />;
    case 'commit':
      return (
        <label>
          <span>Commit: its first seven digits, or more</span>
          <input type="text" required pattern="[0-9a-fA-F]{7,64}" autocomplete="off" spellcheck={false} value={value} onInput={(event) => set(event.currentTarget.value)} />
        </label>
      );
    case 'tag':
      return action === 'release' && subject.held && subject.held.length > 0 ? (
        <label>
          <span>Tag</span>
          <select required value={value} onChange={(event) => set(event.currentTarget.value)}>
            <option value="">Choose…</option>
            {subject.held.map((one) => (
              <option key={one.tag} value={one.tag}>
                {one.tag}
              </option>
            ))}
          </select>
        </label>
      ) : (
        <label>
          <span>Tag</span>
          <input type="text" required maxLength={128} autocomplete="off" spellcheck={false} value={value} onInput={(event) => set(event.currentTarget.value)} />
        </label>
      );
    case 'to':
      return <GoodSync subject={subject} value={value} set={set} />;
    case 'force':
      return subject.keptBy ? (
        <label class="choice">
          <input type="checkbox" required checked={value !== ''} onChange={(event) => set(event.currentTarget.checked ? 'yes' : '')} />
          <span>
            Change it although Git has it: Application <code>{subject.keptBy}</code> may put it back
          </span>
        </label>
      ) : null;
  }
}

function UntilField({ value, set }: { value: string; set: (value: string) => void }) {
  return (
    <div>
      <label for="until">
        <span>Until, by your clock; empty for no end</span>
      </label>
      <div class="until">
        <input id="until" type="datetime-local" value={value} onInput={(event) => set(event.currentTarget.value)} />
        {[1, 8, 24].map((hours) => (
          <button key={hours} type="button" onClick={() => set(actions.later(hours, now.value))}>
            {hours === 24 ? '1 day' : `${hours} h`}
          </button>
        ))}
      </div>
    </div>
  );
}

/** A good sync to go back to; without a choice the last change is taken back. */
function GoodSync({ subject, value, set }: { subject: Subject; value: string; set: (value: string) => void }) {
  const loaded = useLoaded<SyncList>(`${subject.path}/syncs?limit=100`, () => false);
  const good = actions.goodSyncs(loaded.data?.items ?? [], subject.commit);
  const choices = good.slice(0, 20);
  return (
    <fieldset>
      <legend>Go back to</legend>
      <div class="good-syncs">
        <label>
          <input type="radio" name="to" checked={value === ''} onChange={() => set('')} />
          <span>before its last change</span>
        </label>
        {choices.map((sync) => (
          <label key={sync.id}>
            <input
              type="radio"
              name="to"
              checked={value === sync.revision?.commit}
              onChange={() => set(sync.revision?.commit ?? '')}
            />
            <span>
              <CommitId id={sync.revision?.commit ?? ''} /> {sync.commit?.subject}{' '}
              <span class="quiet">
                {sync.commit?.author}, synced <Time at={sync.startedAt} /> ago, {words.counts(sync.counts)}
              </span>
            </span>
          </label>
        ))}
      </div>
      {loaded.error ? <p class="remark">Earlier syncs could not be loaded: {loaded.error.message}.</p> : null}
    </fieldset>
  );
}

/** One button with its dialog, for places outside of the row. */
export function OneAction(props: { subject: Subject; action: string; given?: Partial<Fields>; label?: string; class?: string }) {
  const [open, setOpen] = useState(false);
  const kind = actions.kind(props.subject.target, props.action);
  if (!kind) return null;
  const close = () => setOpen(false);
  return (
    <>
      <button type="button" class={props.class} data-action={props.action} onClick={() => setOpen(true)}>
        {props.label ?? kind.label}
      </button>
      {open ? (
        <ActionDialog
          subject={props.subject}
          action={props.action}
          {...(props.given ? { given: props.given } : {})}
          close={close}
          done={close}
        />
      ) : null}
    </>
  );
}
