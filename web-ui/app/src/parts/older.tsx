// A list of what happened, the newest first, that is longer than one answer.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Failed, get } from '../client.ts';
import { useLoaded } from '../load.ts';
import type { Change } from '../model.ts';
import { Shown } from './states.tsx';

interface Part<T> {
  items: T[];
  next?: string | null;
}

/** Loads the first part, keeps it fresh, and adds older ones when asked for. */
export function Older<T extends { id: string }>(props: {
  path: string;
  concerns: (change: Change) => boolean;
  none: string;
  children: (items: T[]) => ComponentChildren;
}) {
  const { path, none, children } = props;
  const loaded = useLoaded<Part<T>>(path, props.concerns);
  const [older, setOlder] = useState<{ path: string; items: T[]; next: string | null }>();
  const [failed, setFailed] = useState('');
  const extra = older?.path === path ? older : undefined;
  return (
    <Shown of={loaded}>
      {(first) => {
        const known = new Set(first.items.map((item) => item.id));
        const items = [...first.items, ...(extra?.items ?? []).filter((item) => !known.has(item.id))];
        const next = extra ? extra.next : (first.next ?? null);
        const more = async () => {
          try {
            const page = await get<Part<T>>(`${path}?before=${encodeURIComponent(next ?? '')}`);
            // The first page moves on as more happens: keep what it showed when this began.
            setOlder({ path, items: [...items, ...page.items], next: page.next ?? null });
            setFailed('');
          } catch (error) {
            setFailed(error instanceof Failed ? error.message : 'something failed');
          }
        };
        if (items.length === 0) return <p class="nothing">{none}</p>;
        return (
          <>
            {children(items)}
            {next ? (
              <p class="more">
                <button type="button" onClick={() => void more()}>
                  Show older
                </button>{' '}
                <span role="status">{failed}</span>
              </p>
            ) : null}
          </>
        );
      }}
    </Shown>
  );
}
