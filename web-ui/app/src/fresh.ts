// Asks again while somebody looks: what the cluster made has no events of ours.
import { useEffect } from 'preact/hooks';
import type { Loaded } from './load.ts';

/** Loads anew so many seconds after each answer, while the page can be seen: one that takes longer is waited for. */
export function useFresh({ data, error, reload }: Loaded<unknown>, seconds: number): void {
  useEffect(() => {
    if (data === undefined && error === undefined) return undefined;
    let timer: number;
    const wait = () => {
      timer = window.setTimeout(() => (document.hidden ? wait() : reload()), seconds * 1000);
    };
    wait();
    return () => window.clearTimeout(timer);
  }, [data, error, reload, seconds]);
}
