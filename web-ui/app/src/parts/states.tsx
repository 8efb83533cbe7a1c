// What a page shows when it has nothing to show yet, could not get it, or may not.
import type { ComponentChildren } from 'preact';
import { now } from '../clock.ts';
import type { Failed } from '../client.ts';
import { lostSince, reopen } from '../live.ts';
import type { Loaded } from '../load.ts';
import { ago } from '../time.ts';
import { capital } from '../words.ts';
import { Mark } from './mark.tsx';
import { Prose } from './text.tsx';

/** Shows what was loaded; before it a skeleton, instead of it an error. */
export function Shown<T>(props: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const { data, error, reload } = props.of;
  if (data === undefined) return error ? <Trouble error={error} retry={reload} /> : <Skeleton />;
  return (
    <>
      {error ? (
        <p class="banner" role="status">
          This page could not be brought up to date: {error.message}. <Request id={error.request} />
          <button type="button" class="small" onClick={reload}>
            Try again
          </button>
        </p>
      ) : null}
      {props.children(data)}
    </>
  );
}

/** Stands where something comes soon. For the first moment nothing is seen of it. */
export function Skeleton({ lines = 5 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} class="bone" />
      ))}
    </div>
  );
}

interface Help {
  heading: string;
  /** What to do. */
  next: string;
}

const unknown: Help = { heading: 'This could not be loaded', next: '' };
const helps: Record<string, Help> = {
  'bad-request': { heading: 'This address leads nowhere', next: 'It may have been cut off when it was copied.' },
  'not-found': { heading: 'Not found', next: 'It may have been deleted, or history no longer has it.' },
  unauthenticated: {
    heading: 'The session has ended',
    next: 'Open a new one-time link: the agent prints one when it starts.',
  },
  unreachable: { ...unknown, next: 'Is the agent still running, and the port still forwarded? This page tries again by itself once it answers.' },
  unavailable: { ...unknown, next: 'The agent tries again by itself. Syncing goes on without this page.' },
  slow: { ...unknown, next: 'The agent may be busy, for example after a start. Syncing goes on.' },
  internal: { ...unknown, next: 'The log of the agent says more under the number of this request.' },
  'cross-origin': { heading: 'This was refused', next: 'Open the page under the address that the one-time link names.' },
};

/** An answer that did not come: the cause, the number of the request in the log, and another try. */
export function Trouble({ error, retry }: { error: Failed; retry: () => void }) {
  if (error.code === 'forbidden') return <Forbidden right={error.message} retry={retry} />;
  const help = helps[error.code] ?? unknown;
  return (
    <section class="trouble" role="alert">
      <h2>
        <Mark look={{ word: help.heading, tone: 'bad', shape: 'cross' }} />
      </h2>
      <p>
        <Prose text={capital(error.message)} />.
      </p>
      {help.next ? (
        <p class="quiet">
          <Prose text={help.next} />
        </p>
      ) : null}
      <p class="again">
        <button type="button" onClick={retry}>
          Try again
        </button>{' '}
        <Request id={error.request} />
      </p>
    </section>
  );
}

/** Says which right is missing, instead of hiding what it is for. */
export function Forbidden({ right, retry }: { right: string; retry?: () => void }) {
  return (
    <section class="trouble" role="alert">
      <h2>
        <Mark look={{ word: 'A right is missing', tone: 'wait', shape: 'hand' }} />
      </h2>
      <p>
        <Prose text={capital(right)} />.
      </p>
      <p class="quiet">
        Whoever looks after the cluster can grant it with a Role and a RoleBinding. Nothing else stops because of it.
      </p>
      {retry ? (
        <p class="again">
          <button type="button" onClick={retry}>
            Try again
          </button>
        </p>
      ) : null}
    </section>
  );
}

/** Nothing is there yet: what would be here, and how it comes. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <section class="empty">
      <p class="title">{title}</p>
      {children ? <div class="quiet">{children}</div> : null}
    </section>
  );
}

function Request({ id }: { id: string | undefined }) {
  if (!id) return null;
  return (
    <span class="quiet">
      request <code>{id}</code>{' '}
    </span>
  );
}

/** Says that what is seen may be old. A loss of a moment is not worth a word. */
export function LostBanner() {
  const since = lostSince.value;
  if (since === null || now.value - since < 2000) return null;
  return (
    <p class="banner" role="status">
      <b>Live updates were lost {ago(new Date(since).toISOString(), now.value)} ago;</b> what you see may be old.{' '}
      <button type="button" class="small" onClick={reopen}>
        Try now
      </button>
    </p>
  );
}
