// Asks again while somebody looks: what the cluster made has no events of ours.
import { useEffect } from 'preact/hooks';

/** Calls `reload` every so many seconds while the page can be seen. */
export function useFresh(reload: () => void, seconds: number): void {
  useEffect(() => {
    const timer = window.setInterval(() => {
      if (!document.hidden) reload();
    }, seconds * 1000);
    return () => window.clearInterval(timer);
  }, [reload, seconds]);
}
