// Views that somebody saved: a name, a filter and an order. They stay in this browser; a link takes one along.
import { signal } from '@preact/signals';

export interface View {
  name: string;
  query: string;
  sort: string;
}

const key = 'syncline.views';
/** More are not kept. */
const most = 50;

export const views = signal<readonly View[]>(read());

window.addEventListener('storage', (event) => {
  if (event.key === key) views.value = read();
});

/** Saves a view; one of the same name is replaced. */
export function save(view: View): void {
  write(withView(views.value, view));
}

export function remove(name: string): void {
  write(views.value.filter((view) => view.name !== name));
}

/** The views with one more, by name. */
export function withView(all: readonly View[], view: View): View[] {
  const others = all.filter(({ name }) => name !== view.name);
  return [...others, view].sort((a, b) => a.name.localeCompare(b.name)).slice(0, most);
}

/** What is stored, without what is no view. */
export function parse(text: string | null): View[] {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? '[]');
  } catch {
    return [];
  }
  const isView = (one: unknown): one is View =>
    typeof one === 'object' && one !== null && ['name', 'query', 'sort'].every((field) => typeof (one as Record<string, unknown>)[field] === 'string');
  return Array.isArray(stored) ? stored.filter(isView).slice(0, most) : [];
}

function read(): View[] {
  try {
    return parse(window.localStorage.getItem(key));
  } catch {
    // Storage may be forbidden: then nothing is kept.
    return [];
  }
}

function write(all: readonly View[]): void {
  views.value = all;
  try {
    window.localStorage.setItem(key, JSON.stringify(all));
  } catch {
    // They last as long as the page.
  }
}
