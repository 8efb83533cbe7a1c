// What a page shows when it has nothing to show yet, or could not get it.
import type { ComponentChildren } from 'preact';
import { now } from '../clock.ts';
import type { Failed } from '../client.ts';
import { lostSince, reopen } from '../live.ts';
import type { Loaded } from '../load.ts';
import { ago } from '../time.ts';

/** Shows what was loaded; before it a skeleton, instead of it an error. */
export function Shown<T>(props: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const { data, error, reload } = props.of;
  if (data === undefined) return error ? <Trouble error={error} retry={reload} /> : <Skeleton />;
  return (
    <>
      {error ? (
        <p class="banner" role="status">
          This page could not be brought up to date: {error.message}.{' '}
          <button type="button" onClick={reload}>
            Try again
          </button>
        </p>
      ) : null}
      {props.children(data)}
    </>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {[1, 2, 3, 4, 5].map((line) => (
        <div key={line} class="bone" />
      ))}
    </div>
  );
}

export function Trouble({ error, retry }: { error: Failed; retry: () => void }) {
  const help: Record<string, string> = {
    unauthenticated: 'The session has ended. Open a new one-time link of the agent.',
    unreachable: 'Is the agent still running, and the port still forwarded?',
    'not-found': 'It may have been deleted, or history no longer has it.',
  };
  return (
    <section class="trouble" role="alert">
      <h2>{error.code === 'not-found' ? 'Not found' : 'This could not be loaded'}</h2>
      <p>{error.message}</p>
      {help[error.code] ? <p class="quiet">{help[error.code]}</p> : null}
      <p>
        <button type="button" onClick={retry}>
          Try again
        </button>
      </p>
    </section>
  );
}

/** Says that what is seen may be old. A loss of a moment is not worth a word. */
export function LostBanner() {
  const since = lostSince.value;
  if (since === null || now.value - since < 2000) return null;
  return (
    <p class="banner" role="status">
      Live updates were lost {ago(new Date(since).toISOString(), now.value)} ago; what you see may be
      old.{' '}
      <button type="button" onClick={reopen}>
        Try now
      </button>
    </p>
  );
}
