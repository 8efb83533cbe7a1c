// How this browser shows things: its colours, in which zone it tells times, and whether letters are keys. Kept here,
// never sent.
import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
export type Zone = 'local' | 'utc';
/** Whether a letter alone does something: who speaks to the computer, or hits keys by accident, wants none of that. */
export type Letters = 'on' | 'off';

export const themes: readonly Theme[] = ['auto', 'light', 'dark'];
export const zones: readonly Zone[] = ['local', 'utc'];
export const switches: readonly Letters[] = ['on', 'off'];

export const theme = signal<Theme>(kept('syncline.theme', themes));
export const zone = signal<Zone>(kept('syncline.zone', zones));
export const letters = signal<Letters>(kept('syncline.letters', switches));

export function setTheme(value: Theme): void {
  theme.value = value;
  keep('syncline.theme', value);
  show();
}

export function setZone(value: Zone): void {
  zone.value = value;
  keep('syncline.zone', value);
}

export function setLetters(value: Letters): void {
  letters.value = value;
  keep('syncline.letters', value);
}

/** Shows the chosen colours, and those that another tab chooses. */
export function start(): void {
  window.addEventListener('storage', () => {
    theme.value = kept('syncline.theme', themes);
    zone.value = kept('syncline.zone', zones);
    letters.value = kept('syncline.letters', switches);
    show();
  });
  show();
}

function show(): void {
  const root = document.documentElement;
  if (theme.value === 'auto') root.removeAttribute('data-theme');
  else root.dataset['theme'] = theme.value;
}

/** What was chosen before; the first of the choices where nothing was, or where the browser keeps nothing. */
function kept<T extends string>(key: string, choices: readonly T[]): T {
  const first = choices[0] as T;
  try {
    const value = window.localStorage.getItem(key);
    return choices.find((choice) => choice === value) ?? first;
  } catch {
    return first;
  }
}

function keep(key: string, value: string): void {
  try {
    window.localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing forgets the choice with the page.
  }
}
