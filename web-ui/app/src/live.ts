// The one event stream of this browser: says what changed, and whether anything is still heard.
//
// A browser opens few connections to one host, so the tabs share one stream. Those in sight wait for a lock; who
// has it leads: it holds the stream and tells the others. A tab that is hidden lets go of both, and finds out what
// it missed when it is seen again.
import { signal } from '@preact/signals';
import type { Change } from './model.ts';

/** When the stream was lost; `null` while it is open or was never needed. */
export const lostSince = signal<number | null>(null);

type Listener = (change: Change | 'everything') => void;
/** What the tab that leads tells the others; `ask` and `retry` are what they tell it. */
type Message =
  | { kind: 'changes'; id: string; changes: Change[] }
  | { kind: 'everything'; id: string | undefined }
  | { kind: 'state'; id: string | undefined; lostSince: number | null }
  | { kind: 'ask' | 'retry' };

const name = `syncline-live ${new URL('.', document.baseURI).pathname}`;
/** The agent shows a sign of life each 15 seconds. */
const silence = 40_000;
const longestPause = 30_000;

const listeners = new Set<Listener>();
const channel = 'BroadcastChannel' in window ? new BroadcastChannel(name) : undefined;
/** The last event that this tab has taken into account. */
let heard: string | undefined;
/** Up to which event the first answer was the truth, until the stream is open. */
let known: string | undefined;
/** While this tab is in sight. */
let present: AbortController | undefined;
/** Whether the tab that leads has said how far it is since this one is in sight: what was missed before is known then. */
let caughtUp = false;
let leads = false;
let source: EventSource | undefined;
let retry: number | undefined;
let attempts = 0;
let lifeSign = 0;

/** Calls the listener for each change, and with `everything` where changes may have been missed. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Notes how new an answer is: what changed between it and the stream is heard by nobody. */
export function answered(at: string | null): void {
  if (heard === undefined) known ??= at ?? undefined;
}

/** Takes part while the tab is in sight. */
export function start(): void {
  channel?.addEventListener('message', (event: MessageEvent<Message>) => receive(event.data));
  document.addEventListener('visibilitychange', () => (document.hidden ? leave() : join()));
  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', join);
  window.addEventListener('online', reopen);
  window.setInterval(() => {
    if (source && lifeSign > 0 && Date.now() - lifeSign > silence) lose();
  }, 5000);
  join();
}

/** Tries again at once. */
export function reopen(): void {
  if (!leads) return post({ kind: 'retry' });
  disconnect();
  connect();
}

function join(): void {
  if (present || document.hidden) return;
  present = new AbortController();
  caughtUp = false;
  const { signal } = present;
  if (!channel || !('locks' in navigator)) {
    void lead(signal);
    return;
  }
  post({ kind: 'ask' });
  // Refused only when it is left while it still waits.
  navigator.locks.request(name, { signal }, () => lead(signal)).catch(() => undefined);
}

function leave(): void {
  present?.abort();
  present = undefined;
}

/** Holds the stream until the tab is left. */
async function lead(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  leads = true;
  attempts = 0;
  connect();
  await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
  leads = false;
  disconnect();
}

function connect(): void {
  const stream = new EventSource(heard === undefined ? 'api/v1/stream' : `api/v1/stream?${new URLSearchParams({ after: heard })}`);
  source = stream;
  lifeSign = 0;
  const on = (kind: string, act: (event: MessageEvent<string>) => void) =>
    stream.addEventListener(kind, (event) => {
      lifeSign = Date.now();
      act(event as MessageEvent<string>);
    });
  on('hello', (event) => {
    attempts = 0;
    const isLate = heard === undefined && known !== undefined && known !== event.lastEventId;
    heard = event.lastEventId;
    if (isLate) tell('everything');
    lostSince.value = null;
    announce();
  });
  on('changes', (event) => {
    const changes = JSON.parse(event.data) as Change[];
    heard = event.lastEventId;
    post({ kind: 'changes', id: heard, changes });
    changes.forEach(tell);
  });
  on('resync', () => {
    post({ kind: 'everything', id: heard });
    tell('everything');
  });
  on('beat', announce);
  stream.addEventListener('error', lose);
}

function disconnect(): void {
  window.clearTimeout(retry);
  source?.close();
  source = undefined;
}

/** The stream broke, or nothing is heard of it: another try after a pause that grows. */
function lose(): void {
  disconnect();
  lostSince.value ??= Date.now();
  announce();
  const pause = Math.min(longestPause, 1000 * 2 ** attempts++);
  retry = window.setTimeout(connect, pause * (0.75 + Math.random() / 2));
}

function announce(): void {
  post({ kind: 'state', id: heard, lostSince: lostSince.value });
}

function receive(message: Message): void {
  if (leads) {
    if (message.kind === 'ask') announce();
    if (message.kind === 'retry') reopen();
    return;
  }
  // What comes while the tab is hidden is found out when it is seen again.
  if (!present) return;
  switch (message.kind) {
    case 'changes':
      // Taken into account too early it would hide that others were missed.
      if (!caughtUp) break;
      heard = message.id;
      message.changes.forEach(tell);
      break;
    case 'everything':
      heard = message.id ?? heard;
      tell('everything');
      break;
    case 'state':
      lostSince.value = message.lostSince;
      if (message.id === undefined) break;
      if (message.id !== (heard ?? known ?? message.id)) tell('everything');
      heard = message.id;
      caughtUp = true;
      break;
  }
}

function post(message: Message): void {
  channel?.postMessage(message);
}

function tell(change: Change | 'everything'): void {
  for (const listener of listeners) listener(change);
}
