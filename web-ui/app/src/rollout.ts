// The stations of a rollout in order, and which of them it has reached.
import type { Rollout, RolloutPhase } from './model.ts';

export interface Station {
  name: string;
  state: 'done' | 'here' | 'failed' | 'comes';
  /** Which wave of how many, how many hooks; may be empty. */
  note: string;
}

const order: readonly RolloutPhase[] = ['before', 'waves', 'prune', 'settle', 'after'];
const names: Record<string, string> = {
  before: 'before hooks',
  waves: 'waves',
  prune: 'prune',
  settle: 'all healthy',
  after: 'after hooks',
};

/** Stations without hooks of their own are left out; a failure ends the row where it came. */
export function stations(rollout: Rollout): Station[] {
  const hooks = (moment: string) => rollout.hooks.filter((hook) => hook.moment === moment).length;
  const row = order.filter((phase) => !(phase === 'before' || phase === 'after') || hooks(phase) > 0 || phase === rollout.phase);
  const failed = rollout.phase === 'failed' || rollout.phase === 'failing';
  const at = failed ? failedAt(rollout, row) : row.indexOf(rollout.phase);
  const list = row.map((phase, index): Station => {
    const here = failed ? 'failed' : 'here';
    const state = rollout.phase === 'done' || index < at ? 'done' : index === at ? here : 'comes';
    return { name: names[phase] ?? phase, state, note: note(rollout, phase, hooks(phase)) };
  });
  if (rollout.phase === 'failing') list.push({ name: 'failure hooks', state: 'here', note: '' });
  return list;
}

/** Where a failed rollout stopped: at the moment of the hook that failed, or else at its waves. */
function failedAt(rollout: Rollout, row: readonly RolloutPhase[]): number {
  const hook = rollout.hooks.find((one) => one.state === 'failed' && one.moment !== 'failure');
  const moment = hook?.moment === 'before' || hook?.moment === 'after' ? hook.moment : 'waves';
  return row.indexOf(moment);
}

function note(rollout: Rollout, phase: RolloutPhase, hooks: number): string {
  if (phase === 'before' || phase === 'after') return hooks === 1 ? '1 hook' : `${hooks} hooks`;
  if (phase !== 'waves') return '';
  if (rollout.wave == null || rollout.phase !== 'waves') return rollout.waves > 1 ? `${rollout.waves} of them` : '';
  const place = rollout.position ? ` (${rollout.position} of ${rollout.waves})` : '';
  return `wave ${rollout.wave}${place}`;
}
