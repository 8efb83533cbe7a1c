// Keys that work on every page. They are never taken from a field that is being typed in, nor from a dialog. Who does
// not want them switches them off in the menu of the display, all but the one of the palette.
//
// A page needs no code for them: `g` and a letter follow the link of the frame whose `data-go` it is, any other
// letter presses the button or follows the link of the page whose `data-key` it is.
import { letters } from './display.ts';
import { over } from './over.ts';

/** The list of a page that moves its own rows, because not all of them are drawn. */
export interface Rows {
  step: (by: 1 | -1) => void;
  first: () => void;
}

let goes = false;
let rows: Rows | undefined;

/** Hands the rows of a page over; the answer takes them back. */
export function use(own: Rows): () => void {
  rows = own;
  return () => {
    if (rows === own) rows = undefined;
  };
}

export function start(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (isPalette(event)) {
      event.preventDefault();
      over.value = over.value === 'palette' ? null : 'palette';
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    const target = event.target;
    if (isTyped(target)) {
      if (event.key === 'Escape') target.blur();
      if (event.key === 'Enter' && target.id === 'search') first();
      return;
    }
    if (letters.value === 'off') return;
    const went = goes;
    goes = false;
    if (went && press(`.top [data-go="${CSS.escape(event.key)}"]`)) return;
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
      case '?':
        over.value = 'help';
        break;
      case 'j':
        step(1);
        break;
      case 'k':
        step(-1);
        break;
      case 'g':
        goes = true;
        break;
      default:
        if (/^[a-z]$/.test(event.key)) press(`main [data-key="${event.key}"]`);
    }
  });
}

function isPalette(event: KeyboardEvent): boolean {
  return event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
}

/** Whether keys are letters there. */
function isTyped(target: EventTarget | null): target is HTMLElement {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !['button', 'checkbox', 'radio', 'submit'].includes(target.type)) ||
    (target instanceof HTMLElement && target.isContentEditable)
  );
}

/** Whether there was something to press. What is disabled says why itself. */
function press(selector: string): boolean {
  const all = document.querySelectorAll<HTMLElement>(selector);
  const seen = [...all].find((one) => one.checkVisibility());
  if (!seen) return false;
  seen.focus();
  seen.click();
  return true;
}

function drawn(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-row]')];
}

function first(): void {
  if (rows) rows.first();
  else drawn()[0]?.focus();
}

/** Moves the focus from row to row; the link that has it opens with Enter. */
function step(by: 1 | -1): void {
  if (rows) return rows.step(by);
  const all = drawn();
  const at = all.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next]?.focus();
}
