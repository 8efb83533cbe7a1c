// The word and the shape of every state. Colour only repeats what they say.
import type {
  Action,
  Cause,
  Counts,
  DeliveryVerdict,
  FieldChange,
  Health,
  Hold,
  HookState,
  PauseState,
  PlannedCounts,
  Readiness,
  Severity,
  SyncResult,
  Verdict,
  WebhookState,
  Why,
} from './model.ts';

/** A tone is a colour, a shape a drawing; both have the same names in the style sheet and `Mark`. */
export type Tone = 'bad' | 'wait' | 'busy' | 'good' | 'idle';
export type Shape = 'cross' | 'hand' | 'half' | 'tick' | 'pause' | 'hollow' | 'person';
export interface Look {
  word: string;
  tone: Tone;
  shape: Shape;
}

const bad = (word: string): Look => ({ word, tone: 'bad', shape: 'cross' });
const wait = (word: string): Look => ({ word, tone: 'wait', shape: 'hand' });
const busy = (word: string): Look => ({ word, tone: 'busy', shape: 'half' });
const good = (word: string): Look => ({ word, tone: 'good', shape: 'tick' });
const idle = (word: string): Look => ({ word, tone: 'idle', shape: 'pause' });
const none = (word: string): Look => ({ word, tone: 'idle', shape: 'hollow' });

const ofSeverity: Record<Severity, Look> = {
  failing: bad('failing'),
  waiting: wait('waiting'),
  progressing: busy('progressing'),
  suspended: idle('suspended'),
  healthy: good('healthy'),
};

export function severity(value: Severity): Look {
  return ofSeverity[value];
}

/** An application: the look of its severity, with the word of its state. */
export function state(value: Severity, why: Pick<Why, 'reason'>): Look {
  return { ...ofSeverity[value], word: spaced(why.reason) };
}

export function health(value: Health): Look {
  const looks: Record<Health, Look> = {
    Healthy: good('Healthy'),
    Progressing: busy('Progressing'),
    Degraded: bad('Degraded'),
    Suspended: idle('Suspended'),
    Missing: bad('Missing'),
    Unknown: none('Unknown'),
  };
  return looks[value];
}

/** What keeps an application from its newest commit. */
export function hold(value: Hold): Look {
  const looks: Record<Hold, Look> = {
    frozen: idle('frozen'),
    suspended: idle('suspended'),
    aborted: idle('stopped'),
    pinned: idle('pinned'),
    blocked: wait('waits for another'),
    window: wait('waits for a window'),
    approval: wait('waits for approval'),
    paused: idle('paused'),
    hook: busy('hook runs'),
  };
  return looks[value];
}

export function hook(value: HookState): Look {
  const looks: Record<HookState, Look> = {
    waiting: none('waits'),
    running: busy('runs'),
    succeeded: good('succeeded'),
    failed: bad('failed'),
  };
  return looks[value];
}

export function pause(value: PauseState): Look {
  const looks: Record<PauseState, Look> = {
    waiting: none('comes'),
    running: idle('now'),
    over: good('over'),
  };
  return looks[value];
}

export function readiness(value: Readiness): Look {
  const looks: Record<Readiness, Look> = {
    ready: good('ready'),
    blocking: wait('not ready'),
    unknown: none('not looked at'),
  };
  return looks[value];
}

export function result(value: SyncResult): Look {
  const looks: Record<SyncResult, Look> = {
    running: busy('running'),
    succeeded: good('succeeded'),
    failed: bad('failed'),
    held: wait('held'),
    interrupted: none('interrupted'),
    superseded: none('gave way to a newer commit'),
  };
  return looks[value];
}

export function verdict(value: Verdict): Look {
  const looks: Record<Verdict, Look> = {
    chosen: good('chosen'),
    allowed: none('allowed'),
    refused: idle('refused'),
    pending: busy('to be read'),
  };
  return { ...looks[value], shape: value === 'refused' ? 'cross' : looks[value].shape };
}

export function reason(why: Why): Look {
  const word = spaced(why.reason);
  switch (why.class) {
    case 'good':
      return good(word);
    case 'progress':
      return busy(word);
    case 'hold':
      return wait(word);
    case 'transient':
    case 'input':
    case 'denied':
      return bad(word);
  }
}

/** What a person asked for. */
export function act(failure: Why | null | undefined): Look {
  return failure ? bad('refused') : { word: 'person', tone: 'idle', shape: 'person' };
}

/** What a person did, as the beginning of a sentence. */
export function acted(action: string): string {
  const words: Record<string, string> = {
    sync: 'Sync asked for',
    refresh: 'Refresh asked for',
    suspend: 'Suspended',
    resume: 'Resumed',
    abort: 'Sync aborted',
    approve: 'Plan approved',
    rollback: 'Rolled back',
    skip: 'Tag skipped',
    pin: 'Pinned',
    unpin: 'Pin ended',
  };
  return words[action] ?? capital(action.replaceAll('-', ' '));
}

/** What was done with an object, or what became of it instead. */
export function action(value: Action, failure: Why | null | undefined): Look {
  if (value === 'skip') return wait('left alone');
  if (failure) return bad(`${value} failed`);
  const words: Record<Exclude<Action, 'skip'>, Look> = {
    create: good('created'),
    update: good('updated'),
    prune: good('pruned'),
    unchanged: none('unchanged'),
  };
  return words[value];
}

/** What a plan would do with an object. */
export function toBe(value: Action): Look {
  const looks: Record<Action, Look> = {
    create: none('created'),
    update: none('updated'),
    prune: wait('pruned'),
    skip: idle('left alone'),
    unchanged: none('unchanged'),
  };
  return looks[value];
}

/** How an object of the one state differs from that of the other. */
export function differs(value: Action): Look {
  const looks: Record<Action, Look> = {
    create: good('added'),
    update: busy('changed'),
    prune: wait('removed'),
    skip: idle('left alone'),
    unchanged: wait('differs, stays'),
  };
  return looks[value];
}

/** What became of a field, before its values are said. */
export function changed({ before, after }: FieldChange): string {
  if (before == null) return 'added:';
  return after == null ? 'removed:' : 'from';
}

/** Whether these are so many changes, or such long ones, that they are better folded. */
export function isLong(changes: FieldChange[]): boolean {
  const text = changes.map(({ path, before, after }) => `${path}${before ?? ''}${after ?? ''}`);
  return changes.length > 5 || text.join('').length > 600;
}

export function cause(value: Cause): string {
  const words: Record<Cause, string> = {
    'start-up': 'start of the agent',
    poll: 'poll',
    webhook: 'webhook',
    drift: 'drift',
    reference: 'changed settings',
    image: 'image update',
    chart: 'newer chart',
    schedule: 'slow check',
    time: 'the time',
    rollout: 'a rollout that goes on',
    dependency: 'another application',
    retry: 'retry',
    user: 'asked for',
  };
  return words[value];
}

/** `3 updated, 1 pruned`; what did not happen is left out. */
export function counts(value: Counts): string {
  return listed([
    [value.failed, 'failed'],
    [value.skipped, 'left alone'],
    [value.created, 'created'],
    [value.updated, 'updated'],
    [value.pruned, 'pruned'],
    [value.drifted, 'drifted'],
  ]);
}

/** `1 to create, 2 to update`; what would not happen is left out. */
export function planned(value: PlannedCounts): string {
  return listed([
    [value.create, 'to create'],
    [value.update, 'to update'],
    [value.prune, 'to prune'],
    [value.hooks, value.hooks === 1 ? 'hook to run' : 'hooks to run'],
  ]);
}

function listed(parts: [number, string][]): string {
  const said = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return said.length > 0 ? said.join(', ') : 'nothing to do';
}

/** `outside-range` reads `outside range`. */
export function rule(name: string): string {
  return name.replaceAll('-', ' ');
}

/** With a capital letter, as a sentence begins. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `YamlSyntax` reads `Yaml syntax`. */
export function spaced(reasonName: string): string {
  return reasonName.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** What became of a delivery of a webhook. */
export function delivery(value: DeliveryVerdict): Look {
  const looks: Record<DeliveryVerdict, Look> = {
    accepted: good('accepted'),
    ignored: none('ignored'),
    duplicate: idle('came before'),
    rejected: bad('rejected'),
    refused: wait('refused'),
  };
  return looks[value];
}

/** Whether deliveries for a repository are taken. */
export function webhook(value: WebhookState): Look {
  const looks: Record<WebhookState, Look> = {
    none: none('no webhook'),
    ready: good('deliveries taken'),
    unreadable: bad('secret not readable'),
  };
  return looks[value];
}
