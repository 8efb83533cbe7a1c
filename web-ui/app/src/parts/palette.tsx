// The palette: every application, page, saved view and action of this page, by a few letters of its name.
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { get } from '../client.ts';
import { best } from '../fuzzy.ts';
import type { ApplicationNames } from '../model.ts';
import { over } from '../over.ts';
import { link } from '../route.ts';
import { views } from '../saved.ts';

interface Item {
  kind: 'application' | 'page' | 'tab' | 'view' | 'action';
  text: string;
  run: () => void;
}

const most = 50;
/** Shown at once the next time, until the new ones are there. */
let names: readonly string[] = [];

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const [known, setKnown] = useState(names);
  // What the page offers is asked before the palette covers it.
  const offered = useMemo(() => [...actions(), ...pages(), ...saved()], []);
  const items = useMemo(() => {
    const applications = known.map(applicationItem);
    return typed === '' ? [...offered, ...applications].slice(0, most) : best(typed, [...offered, ...applications], ({ text }) => text, most);
  }, [typed, known, offered]);
  const chosen = Math.min(at, items.length - 1);

  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    input.current?.focus();
    const aborter = new AbortController();
    get<ApplicationNames>('applications/names', aborter.signal).then(
      ({ items }) => setKnown((names = items)),
      // Pages and actions are there without them.
      () => undefined,
    );
    return () => {
      aborter.abort();
      dialog.current?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  const run = (item: Item | undefined) => {
    if (!item) return;
    over.value = null;
    // After the palette is gone and the focus is back.
    window.setTimeout(item.run);
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label="Go to or do"
      onCancel={(event) => {
        event.preventDefault();
        over.value = null;
      }}
      // A browser may close it without asking; once it is out of the page, it was closed already.
      onClose={() => {
        if (dialog.current) over.value = null;
      }}
      onClick={(event) => {
        if (event.target === dialog.current) over.value = null;
      }}
    >
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Application, page or action"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={items.length > 0 ? `${id}-${chosen}` : undefined}
        aria-autocomplete="list"
        placeholder="Application, page or action"
        spellcheck={false}
        autocomplete="off"
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
          if (by !== undefined) {
            event.preventDefault();
            setAt(Math.min(items.length - 1, Math.max(0, chosen + by)));
          } else if (event.key === 'Enter') {
            event.preventDefault();
            run(items[chosen]);
          }
        }}
      />
      <div role="listbox" id={`${id}-list`} aria-label="Found" class="found">
        {items.map((item, index) => (
          <div
            key={`${item.kind} ${item.text}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onPointerMove={() => setAt(index)}
            onClick={() => run(item)}
          >
            <span>{item.text}</span>
            <span class="quiet">{item.kind}</span>
          </div>
        ))}
      </div>
      {items.length === 0 ? <p class="nothing">Nothing has these letters in this order.</p> : null}
      <p class="unseen" role="status">
        {items.length} found
      </p>
    </dialog>
  );
}

function applicationItem(name: string): Item {
  const [namespace = '', ...rest] = name.split('/');
  return {
    kind: 'application',
    text: name,
    run: () => goTo(link({ page: 'application', namespace, name: rest.join('/') })),
  };
}

/** The buttons of this page that may be pressed. */
function actions(): Item[] {
  const buttons = document.querySelectorAll<HTMLElement>(
    'main .actions button:not(:disabled, [aria-disabled=true]), main [data-key]:not(:disabled)',
  );
  const items = [...buttons].map((button): Item => ({
    kind: button instanceof HTMLAnchorElement ? 'tab' : 'action',
    text: (button.dataset.says ?? button.textContent ?? '').trim(),
    run: () => button.click(),
  }));
  const named = new Map(items.filter(({ text }) => text !== '').map((item) => [item.text, item]));
  return [...named.values(), { kind: 'action', text: 'Keys and filters', run: () => (over.value = 'help') }];
}

function pages(): Item[] {
  return [...document.querySelectorAll<HTMLAnchorElement>('.top nav a')].map((anchor) => ({
    kind: 'page',
    text: anchor.textContent?.trim() ?? '',
    run: () => goTo(anchor.hash),
  }));
}

function saved(): Item[] {
  return views.value.map(({ name, query, sort }) => ({
    kind: 'view',
    text: name,
    run: () => goTo(link({ page: 'applications', query, sort })),
  }));
}

function goTo(hash: string): void {
  window.location.hash = hash;
}
