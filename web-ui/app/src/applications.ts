// The list of applications: loaded part by part, and anew when something changes.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Failed, getIfNew } from './client.ts';
import { joined, type Known } from './list.ts';
import { listen } from './live.ts';
import type { ApplicationList } from './model.ts';

export interface Loaded {
  known: Known | undefined;
  /** The last answer was for this filter and order, and not for an earlier one. */
  isCurrent: boolean;
  error: Failed | undefined;
  reload: () => void;
  more: () => void;
}

/** Time for another letter before a filter is asked for. */
const typing = 120;
/** A list is asked for again after at least so many times the time that it took: it must not be all that is done. */
const restraint = 4;

interface State {
  path: string;
  parts: ApplicationList[];
  tag: string | undefined;
  error: Failed | undefined;
}

/** Loads the applications that a filter finds, keeps them fresh, and keeps what is shown meanwhile. */
export function useApplications(query: string, sort: string): Loaded {
  const path = `applications?${new URLSearchParams({ ...(query.trim() ? { q: query } : {}), ...(sort ? { sort } : {}) })}`;
  const [state, setState] = useState<State>({ path: '', parts: [], tag: undefined, error: undefined });
  const [known, setKnown] = useState<Known>();
  const [round, setRound] = useState(0);
  const [wanted, setWanted] = useState({ path, parts: 1 });
  const latest = useRef(state);
  latest.current = state;
  const took = useRef(0);
  const parts = wanted.path === path ? wanted.parts : 1;

  useEffect(() => {
    const aborter = new AbortController();
    const old = latest.current;
    const load = async () => {
      const begin = performance.now();
      const found: ApplicationList[] = [];
      let tag: string | undefined;
      for (let after: string | undefined; found.length < parts; ) {
        const from = after === undefined ? path : `${path}&${new URLSearchParams({ after })}`;
        const first = old.path === path && parts === 1 && old.parts.length === 1 ? old.tag : undefined;
        const answer = await getIfNew<ApplicationList>(from, first, aborter.signal);
        if (!answer) {
          // What is shown is what there is.
          if (old.error) setState({ ...old, error: undefined });
          return;
        }
        tag = answer.tag;
        found.push(answer.data);
        after = answer.data.next ?? undefined;
        if (after === undefined) break;
      }
      took.current = performance.now() - begin;
      setState({ path, parts: found, tag: found.length === 1 ? tag : undefined, error: undefined });
      setKnown(joined(found));
    };
    const late = old.path === '' || old.path === path ? 0 : typing;
    const timer = window.setTimeout(() => {
      load().catch((error: unknown) => {
        if (aborter.signal.aborted) return;
        setState((now) => ({ ...now, error: Failed.of(error) }));
      });
    }, late);
    return () => {
      window.clearTimeout(timer);
      aborter.abort();
    };
  }, [path, parts, round]);

  useEffect(() => {
    let timer: number | undefined;
    const stop = listen((change) => {
      if (change !== 'everything' && !['application', 'sync', 'image-policy', 'agent'].includes(change.topic)) return;
      timer ??= window.setTimeout(() => {
        timer = undefined;
        setRound((n) => n + 1);
      }, took.current * restraint);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, []);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  const more = useCallback(() => setWanted({ path, parts: latest.current.parts.length + 1 }), [path]);
  return { known, isCurrent: state.path === path && !state.error, error: state.error, reload, more };
}
