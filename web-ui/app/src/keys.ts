// Keys that work on every page. They are never taken from a field that is being typed in.
import { link } from './route.ts';

let goes = false;

export function start(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if (target instanceof HTMLInputElement) {
      if (event.key === 'Escape') target.blur();
      if (event.key === 'Enter') rows()[0]?.focus();
      return;
    }
    const went = goes;
    goes = false;
    if (went && go(event.key)) return;
    switch (event.key) {
      case '/': {
        const search = document.getElementById('search');
        if (search instanceof HTMLInputElement) {
          event.preventDefault();
          search.focus();
          search.select();
        }
        break;
      }
      case 'j':
        step(1);
        break;
      case 'k':
        step(-1);
        break;
      case 'g':
        goes = true;
        break;
    }
  });
}

function go(key: string): boolean {
  const pages = { a: link({ page: 'applications', query: '' }), i: link({ page: 'images', query: '' }), r: link({ page: 'repositories' }) };
  const target = key in pages ? pages[key as keyof typeof pages] : undefined;
  if (target === undefined) return false;
  window.location.hash = target;
  return true;
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-row]')];
}

/** Moves the focus from row to row; the link that has it opens with Enter. */
function step(by: 1 | -1): void {
  const all = rows();
  const at = all.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next]?.focus();
}
