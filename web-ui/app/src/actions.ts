// What can be asked for: its words, its fields, the body of the request, the command beside it.
import type { AgentAction, ApplicationAction, ImageAction, Sync } from './model.ts';
import { capital } from './words.ts';

/** A field of a dialog. */
export type Field = 'reason' | 'until' | 'commit' | 'tag' | 'to' | 'force';
export type Fields = Record<Field, string>;

/** What an action is called, and what a dialog asks for before it is done. */
export interface Kind {
  /** On the button; `…` where a dialog asks for more. */
  label: string;
  title: string;
  /** On the button of the dialog that does it. */
  confirm: string;
  fields: Field[];
  /** The button is the dangerous one of its dialog. */
  grave?: boolean;
}

export type Target = 'application' | 'image' | 'agent';

const application: Record<ApplicationAction['action'], Kind> = {
  sync: { label: 'Sync…', title: 'Sync now', confirm: 'Sync', fields: [] },
  refresh: { label: 'Refresh', title: 'Look at the repository now', confirm: 'Refresh', fields: [] },
  approve: { label: 'Approve…', title: 'Approve this plan', confirm: 'Approve this plan', fields: [] },
  abort: { label: 'Abort…', title: 'Stop what runs', confirm: 'Stop it', fields: ['reason'], grave: true },
  rollback: { label: 'Roll back…', title: 'Roll back in Git', confirm: 'Make the revert commit', fields: ['to', 'reason'], grave: true },
  suspend: { label: 'Suspend…', title: 'Suspend', confirm: 'Suspend', fields: ['reason', 'until', 'force'] },
  resume: { label: 'Resume…', title: 'Let syncs go on', confirm: 'Resume', fields: ['force'] },
  pin: { label: 'Pin…', title: 'Keep it at one commit', confirm: 'Pin', fields: ['commit', 'reason', 'until', 'force'] },
  unpin: { label: 'Unpin…', title: 'Follow the branch again', confirm: 'Unpin', fields: ['force'] },
};

const image: Record<ImageAction['action'], Kind> = {
  refresh: { label: 'Refresh', title: 'Read the registry now', confirm: 'Refresh', fields: [] },
  skip: { label: 'Skip a tag…', title: 'Do not choose a tag', confirm: 'Skip it', fields: ['tag', 'reason'] },
  release: { label: 'Release a tag…', title: 'Let a held tag be chosen again', confirm: 'Release it', fields: ['tag'] },
  pin: { label: 'Pin a tag…', title: 'Choose one tag and no other', confirm: 'Pin it', fields: ['tag', 'reason'] },
  unpin: { label: 'Unpin…', title: 'Choose the newest tag again', confirm: 'Unpin', fields: [] },
};

const agent: Record<AgentAction['action'], Kind> = {
  freeze: { label: 'Freeze…', title: 'Freeze the agent', confirm: 'Freeze', fields: ['reason', 'until'], grave: true },
  unfreeze: { label: 'Unfreeze…', title: 'Let the agent go on', confirm: 'Unfreeze', fields: [] },
};

/** What an action of the API is called; `undefined` for one that this page does not know yet. */
export function kind(target: Target, action: string): Kind | undefined {
  const all: Record<string, Kind> = target === 'application' ? application : target === 'image' ? image : agent;
  return Object.hasOwn(all, action) ? all[action] : undefined;
}

/** The fields that have to be filled before something can be asked for. */
const needed: Field[] = ['reason', 'commit', 'tag'];

export function isComplete(kind: Kind, fields: Fields): boolean {
  return kind.fields.every((field) => !needed.includes(field) || fields[field].trim() !== '');
}

export function nothing(): Fields {
  return { reason: '', until: '', commit: '', tag: '', to: '', force: '' };
}

/** The body of the request. `plan` is the hash of the plan that was shown. */
export function body(action: string, kind: Kind, fields: Fields, plan?: string): Record<string, unknown> {
  const said: Record<string, unknown> = { action };
  for (const field of kind.fields) {
    const text = fields[field].trim();
    if (field === 'force') {
      if (text !== '') said.force = true;
    } else if (field === 'until') {
      const at = ends(text);
      if (at) said.until = at;
    } else if (text !== '') {
      said[field] = text;
    }
  }
  if (plan !== undefined) said.plan = plan;
  return said;
}

/** A moment of a field for local time, as the API wants it; `undefined` for none. */
function ends(text: string): string | undefined {
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** So many hours from now, for a field for local time. */
export function later(hours: number, now: number): string {
  const at = new Date(now + hours * 3_600_000);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What a rollback can go back to: a good sync of each commit but the one that runs, the newest first. */
export function goodSyncs(syncs: Sync[], running: string | undefined): Sync[] {
  const seen = new Set(running === undefined ? [] : [running]);
  return syncs.filter(({ result, revision }) => {
    if (result !== 'succeeded' || !revision || seen.has(revision.commit)) return false;
    seen.add(revision.commit);
    return true;
  });
}

/** The command with the reason that stands in the field now. */
export function withReason(command: string, reason: string): string {
  const at = command.lastIndexOf(' --reason ');
  return at < 0 ? command : `${command.slice(0, at)} --reason ${word(reason.trim() || 'why')}`;
}

/** A text as one word of a shell. */
export function word(text: string): string {
  return /^[A-Za-z0-9_.\-:@/]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A sentence of the agent as it stands alone. */
export function sentence(text: string): string {
  return `${capital(text)}.`;
}

/** Names one call, so that asking again for the same does it once. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Which buttons stand in the row; the others are behind `More`. */
export function inTheRow(target: Target, allowed: { action: string; whyNot?: string | null }[]): string[] {
  if (target === 'image') return ['refresh', 'skip', 'pin'];
  const may = (action: string) => allowed.some((one) => one.action === action && one.whyNot == null);
  return ['sync', 'refresh', 'rollback', may('resume') ? 'resume' : 'suspend', ...(may('abort') ? ['abort'] : [])];
}

/** Whether a sync follows that a person wants to see. */
export function leadsToSync(action: string): boolean {
  return ['sync', 'approve', 'rollback', 'resume', 'pin', 'unpin'].includes(action);
}
