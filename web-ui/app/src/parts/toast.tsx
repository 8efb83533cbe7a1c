// What just happened, said in the corner for a moment. What must not be missed belongs on the page instead.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { get } from '../client.ts';
import { listen } from '../live.ts';
import type { Sync, SyncList } from '../model.ts';
import { link } from '../route.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { Prose } from './text.tsx';

export interface Toast {
  text: string;
  tone?: words.Tone;
  /** The application whose next sync is shown, and the last one that it had. */
  follows?: { key: string; path: string; after: string | undefined };
}

type Said = Toast & { id: number };

/** How many are shown, and how long after the last word of each. What went wrong stays until it is closed. */
const most = 3;
const lasting = 10_000;

const said = signal<Said[]>([]);
let last = 0;

/** Says a sentence; screen readers read it out. What is between backticks is code. */
export function say(what: string | Toast, tone: words.Tone = 'good'): void {
  const toast = typeof what === 'string' ? { text: what, tone } : what;
  last += 1;
  said.value = [...said.value, { ...toast, id: last }].slice(-most);
}

function unsay(id: number): void {
  said.value = said.value.filter((one) => one.id !== id);
}

/** Stands once in the frame of the pages. */
export function Toasts() {
  return (
    <div class="toasts" role="status">
      {said.value.map((toast) => (
        <One key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function One({ toast: { id, text, tone = 'good', follows } }: { toast: Said }) {
  const sync = useNextSync(follows);
  const isOver = tone !== 'bad' && (!follows || (sync !== undefined && sync.result !== 'running'));
  useEffect(() => {
    if (!isOver) return;
    const timer = window.setTimeout(() => unsay(id), lasting);
    return () => window.clearTimeout(timer);
  }, [isOver, id]);
  return (
    <div class={`toast ${tone}`}>
      <span>
        <Prose text={text} />
        {sync ? (
          <>
            {' '}
            <a href={link({ page: 'sync', id: sync.id })}>
              <span class="unseen">The sync: </span>
              <Mark look={words.result(sync.result)} />
            </a>
          </>
        ) : null}
      </span>
      <button type="button" class="small plain" onClick={() => unsay(id)}>
        Close
      </button>
    </div>
  );
}

/** The sync after the one that was there when something was asked for. */
function useNextSync(follows: Toast['follows']): Sync | undefined {
  const [sync, setSync] = useState<Sync>();
  const isOver = sync !== undefined && sync.result !== 'running';
  useEffect(() => {
    if (!follows || isOver) return;
    const look = () =>
      void get<SyncList>(`${follows.path}/syncs?limit=1`).then(
        ({ items: [newest] }) => {
          if (newest && newest.id !== follows.after) setSync(newest);
        },
        // The next change asks again.
        () => undefined,
      );
    look();
    return listen((change) => {
      if (change === 'everything' || (change.topic === 'sync' && change.key === follows.key)) look();
    });
  }, [follows?.key, follows?.after, isOver]);
  return sync;
}
