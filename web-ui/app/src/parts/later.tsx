// A part whose code is fetched when it is needed first.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Failed } from '../client.ts';
import { Skeleton, Trouble } from './states.tsx';

/** A page or an overlay that is fetched when it is shown first; until then a page shows that it comes. */
export function later<P extends object>(from: () => Promise<ComponentType<P>>, kind: 'page' | 'overlay'): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  return function Later(props: P) {
    const [Part, setPart] = useState(() => known);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (known) return;
      from().then(
        (part) => {
          known = part;
          setPart(() => part);
        },
        () => setFailed(true),
      );
    }, []);
    useEffect(() => {
      // Whoever reads with a screen reader hears which page this is now.
      if (Part && kind === 'page' && document.activeElement === document.body) document.querySelector<HTMLElement>('h1')?.focus();
    }, [Part]);
    if (Part) return <Part {...props} />;
    if (kind === 'overlay') return null;
    return (
      <main id="main">
        {failed ? (
          // The agent is gone, or a newer one that has it under another name: loaded anew, this is there.
          <Trouble error={new Failed('unreachable', 'the code of this page could not be fetched')} retry={() => window.location.reload()} />
        ) : (
          <Skeleton />
        )}
      </main>
    );
  };
}
