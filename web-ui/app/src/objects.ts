// Addresses and words of live objects.
import type { ContainerState, ObjectName, ResourceContainer, SyncState } from './model.ts';
import type { Look } from './words.ts';

const none = '-';

function parts({ group, kind, namespace, name }: ObjectName): string[] {
  return [group || none, kind, namespace || none, name];
}

/** An object in a part of an address: `apps/Deployment/shop/web`. No two have the same. */
export function written(object: ObjectName): string {
  return parts(object).join('/');
}

/** The object that a part of an address names; nothing where it names none. */
export function readObject(text: string): ObjectName | undefined {
  const [group, kind, namespace, ...rest] = text.split('/');
  const name = rest.join('/');
  if (!group || !kind || !namespace || !name) return undefined;
  return { group: group === none ? '' : group, kind, namespace: namespace === none ? null : namespace, name };
}

/** Where the API has it, below its application. */
export function objectPath(object: ObjectName): string {
  return `objects/${parts(object).map(encodeURIComponent).join('/')}`;
}

/** The part of a question that names it. */
export function objectQuery(object: ObjectName): string {
  const { group, kind, namespace, name } = object;
  return new URLSearchParams({ group: group || none, kind, namespace: namespace || none, name }).toString();
}

export function syncState(value: SyncState): Look {
  const looks: Record<SyncState, Look> = {
    synced: { word: 'synced', tone: 'good', shape: 'tick' },
    drifted: { word: 'drifted', tone: 'wait', shape: 'hand' },
    missing: { word: 'missing', tone: 'bad', shape: 'cross' },
    failed: { word: 'not written', tone: 'bad', shape: 'cross' },
    waiting: { word: 'to be written', tone: 'busy', shape: 'half' },
    left: { word: 'not in Git', tone: 'wait', shape: 'hand' },
    hook: { word: 'of a hook', tone: 'idle', shape: 'hollow' },
  };
  return looks[value];
}

export function container(value: ResourceContainer): Look {
  const words: Record<ContainerState, string> = {
    waiting: 'waits',
    running: value.ready ? 'runs' : 'runs, not ready',
    ended: 'ended',
    unknown: 'not started',
  };
  const word = value.reason && value.reason !== 'Completed' ? `${words[value.state]}: ${value.reason}` : words[value.state];
  const stuck = value.state === 'waiting' && /BackOff|Err|Invalid|Error/.test(value.reason);
  const failed = value.state === 'ended' && value.reason !== 'Completed' && value.reason !== '';
  if (stuck || failed) return { word, tone: 'bad', shape: 'cross' };
  if (value.state === 'running' && value.ready) return { word, tone: 'good', shape: 'tick' };
  if (value.state === 'ended') return { word, tone: 'good', shape: 'tick' };
  return { word, tone: 'busy', shape: 'half' };
}
