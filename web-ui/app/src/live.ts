// The one event stream of this tab: says what changed, and whether it still hears anything.
import { signal } from '@preact/signals';
import type { Change } from './model.ts';

/** When the stream was lost; `null` while it is open or was never needed. */
export const lostSince = signal<number | null>(null);

type Listener = (change: Change | 'everything') => void;
const listeners = new Set<Listener>();
let source: EventSource | undefined;
let retry: number | undefined;
let attempts = 0;
let opened = false;

/** Calls the listener for each change, and with `everything` where changes may have been missed. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Opens the stream, closes it while the tab is hidden, and opens it again after a loss. */
export function start(): void {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close();
    else open();
  });
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) open();
  });
  open();
}

/** Tries again at once. */
export function reopen(): void {
  close();
  open();
}

function open(): void {
  if (source || document.hidden) return;
  window.clearTimeout(retry);
  const stream = new EventSource('api/v1/stream');
  source = stream;
  stream.addEventListener('hello', () => {
    attempts = 0;
    lostSince.value = null;
    // What changed while nobody listened is unknown.
    if (opened) tell('everything');
    opened = true;
  });
  stream.addEventListener('change', (event) => tell(JSON.parse(event.data) as Change));
  stream.addEventListener('resync', () => tell('everything'));
  stream.addEventListener('error', () => {
    close();
    lostSince.value ??= Date.now();
    const wait = Math.min(30_000, 1000 * 2 ** attempts++);
    retry = window.setTimeout(open, wait * (0.75 + Math.random() / 2));
  });
}

function close(): void {
  window.clearTimeout(retry);
  source?.close();
  source = undefined;
}

function tell(change: Change | 'everything'): void {
  for (const listener of listeners) listener(change);
}
