// What is told of a sync beside what it did: its steps, where it stopped, its commits.
import type { Sync, SyncDetail } from './model.ts';

export type StepState = 'done' | 'failed' | 'held' | 'busy';

export interface RunStep {
  name: string;
  /** How long it took, in microseconds; `null` for a step that did not end. */
  micros: number | null;
  /** Where it began and how long it was, as shares of the whole in percent. */
  from: number;
  share: number;
  state: StepState;
}

/** The steps that every sync has, in order. */
const order = ['look', 'fetch', 'render', 'read', 'plan', 'apply', 'prune'];

const purposes: Record<string, string> = {
  look: 'what the cluster has of it',
  fetch: 'charts and bases it names',
  render: 'from files to objects',
  read: 'the objects as they are',
  plan: 'what has to be done',
  'dry run': 'asked the API server first',
  rollout: 'in waves, with hooks and pauses',
  apply: 'created and updated',
  prune: 'deleted what left Git',
};

/** What a step is for; empty where its name says it. */
export function purpose(name: string): string {
  return purposes[name] ?? '';
}

/** The steps with where they stand in the whole, and the step at which it stopped, if it did. */
export function steps({ steps, outcomes, summary }: SyncDetail): RunStep[] {
  const total = steps.reduce((sum, step) => sum + step.micros, 0);
  let before = 0;
  const rows = steps.map(({ name, micros }): RunStep => {
    const from = total > 0 ? (before / total) * 100 : 0;
    before += micros;
    return { name, micros, from, share: total > 0 ? (micros / total) * 100 : 0, state: 'done' };
  });
  const mark = (state: StepState, names: string[]) => {
    for (const row of rows) if (names.includes(row.name)) row.state = state;
  };
  const failed = outcomes.filter(({ failure, action }) => failure && action !== 'skip');
  const skipped = outcomes.some(({ action }) => action === 'skip');
  if (skipped) mark('held', ['plan']);
  if (failed.some(({ action }) => action === 'prune')) mark('failed', ['prune', 'rollout']);
  if (failed.some(({ action }) => action !== 'prune')) mark('failed', ['apply', 'rollout', 'dry run']);
  const stopped: Partial<Record<Sync['result'], StepState>> = { failed: 'failed', held: 'held', running: 'busy' };
  const state = stopped[summary.result];
  if (state && failed.length === 0 && !skipped) {
    const next = after(rows.at(-1)?.name);
    if (next) rows.push({ name: next, micros: null, from: before > 0 ? 100 : 0, share: 0, state });
  }
  return rows;
}

/** The step that comes after one; `undefined` after the last, and after one that is not always there. */
function after(name: string | undefined): string | undefined {
  if (name === undefined) return order[0];
  const at = order.indexOf(name);
  return at < 0 ? undefined : order[at + 1];
}

/** The commits that a sync brought, as Git writes a range; one commit where nothing was applied before. */
export function range(sync: Sync): { old: string | null; new: string } | null {
  const commit = sync.revision?.commit;
  if (!commit) return null;
  const old = sync.previous && sync.previous !== commit ? sync.previous : null;
  return { old, new: commit };
}

/** Whether a sync applied another commit than the one before it. */
function broughtCommits(sync: Sync): boolean {
  return sync.revision != null && sync.previous !== sync.revision.commit;
}

/** Who stands behind a sync: whoever wrote the commit that it brought. */
export function author(sync: Sync): string {
  return broughtCommits(sync) ? (sync.commit?.author ?? '') : '';
}
