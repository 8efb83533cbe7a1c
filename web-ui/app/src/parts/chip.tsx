// A choice of a few that is an address: a filter, or what is shown.
import type { ComponentChildren } from 'preact';

export function Chip({ to, chosen, children }: { to: string; chosen: boolean; children: ComponentChildren }) {
  return (
    <a class={chosen ? 'chip chosen' : 'chip'} aria-current={chosen ? 'true' : undefined} href={to}>
      {children}
    </a>
  );
}
