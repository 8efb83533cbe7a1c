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
export function Older<T extends { id: string }, P extends Part<T> = Part<T>>(props: {
  path: string;
  concerns: (change: Change) => boolean;
  none: string;
  /** What stands above the list, from the first part. */
  above?: (first: P) => ComponentChildren;
  /** What stands in the place of a list that is empty, instead of `none`. */
  empty?: (first: P) => ComponentChildren;
  children: (items: T[]) => ComponentChildren;
}) {
  const { path, none, above, empty, children } = props;
  const loaded = useLoaded<P>(path, props.concerns);
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
            const page = await get<Part<T>>(`${path}${path.includes('?') ? '&' : '?'}before=${encodeURIComponent(next ?? '')}`);
            // The first page moves on as more happens: keep what it showed when this began.
            setOlder({ path, items: [...items, ...page.items], next: page.next ?? null });
            setFailed('');
          } catch (error) {
            setFailed(Failed.of(error).message);
          }
        };
        if (items.length === 0) {
          return (
            <>
              {above?.(first)}
              {empty ? empty(first) : <p class="nothing">{none}</p>}
            </>
          );
        }
        return (
          <>
            {above?.(first)}
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
