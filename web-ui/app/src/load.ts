// Loads what a page shows, keeps it fresh, and keeps what is shown while it is loaded anew.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Failed, get } from './client.ts';
import { listen } from './live.ts';
import type { Change } from './model.ts';

export interface Loaded<T> {
  data: T | undefined;
  error: Failed | undefined;
  reload: () => void;
}

/** Changes that come together are one request. The agent gathers them before. */
const gather = 50;

/** Loads a path of the API now and after each change that concerns it. */
export function useLoaded<T>(path: string, concerns: (change: Change) => boolean): Loaded<T> {
  const [state, setState] = useState<{ path: string; data?: T; error?: Failed }>({ path });
  const [round, setRound] = useState(0);
  const filter = useRef(concerns);
  filter.current = concerns;

  useEffect(() => {
    const aborter = new AbortController();
    get<T>(path, aborter.signal).then(
      (data) => setState({ path, data }),
      (error: unknown) => {
        if (aborter.signal.aborted) return;
        const failed = Failed.of(error);
        setState((old) => (old.path === path ? { ...old, error: failed } : { path, error: failed }));
      },
    );
    return () => aborter.abort();
  }, [path, round]);

  useEffect(() => {
    let timer: number | undefined;
    const stop = listen((change) => {
      if (change !== 'everything' && !filter.current(change)) return;
      timer ??= window.setTimeout(() => {
        timer = undefined;
        setRound((n) => n + 1);
      }, gather);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [path]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  const current = state.path === path ? state : undefined;
  return { data: current?.data, error: current?.error, reload };
}
