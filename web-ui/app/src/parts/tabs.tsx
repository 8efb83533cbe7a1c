// Tabs: each is an address, so that it can be linked to, opened beside and gone back from.
import { useEffect, useRef } from 'preact/hooks';

export interface Tab {
  /** The address, from `link`. */
  to: string;
  word: string;
  /** How many things are behind it, where that is known and worth a look. */
  count?: number | undefined;
  here: boolean;
  /** The key that opens it. */
  letter?: string | undefined;
}

export function Tabs({ label, tabs }: { label: string; tabs: Tab[] }) {
  const nav = useRef<HTMLElement>(null);
  const here = tabs.find((tab) => tab.here)?.to;
  // On a narrow screen the tab that is shown may be out of sight.
  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [here]);
  return (
    <nav class="tabs" aria-label={label} ref={nav}>
      {tabs.map((tab) => (
        <a key={tab.to} href={tab.to} aria-current={tab.here ? 'page' : undefined} data-key={tab.letter} data-says={tab.word}>
          {tab.word}
          {tab.count ? <span class="count">{tab.count}</span> : null}
        </a>
      ))}
    </nav>
  );
}
