// The objects of an application with what the cluster made below them, as one tree.
import { useState } from 'preact/hooks';
import { useFresh } from '../../fresh.ts';
import { useLoaded } from '../../load.ts';
import type { Resources as Tree } from '../../model.ts';
import { readObject } from '../../objects.ts';
import { Missing } from '../../parts/missing.tsx';
import { Shown } from '../../parts/states.tsx';
import { Time } from '../../parts/text.tsx';
import { TreeGrid } from '../../parts/tree-grid.tsx';
import { link, type Route } from '../../route.ts';
import { isWell, rows, summary } from '../../tree.ts';
import { ObjectDrawer } from './object.tsx';
import type { TabProps } from './tabs.tsx';

export function Resources({ detail, path, concerns, given }: TabProps) {
  const loaded = useLoaded<Tree>(`${path}/resources`, concerns);
  useFresh(loaded, 5);
  const [chosen, choose] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [chosenWell, showWell] = useState<boolean>();
  const [search, setSearch] = useState('');
  const { namespace, name, destination } = detail.summary;
  const to = (more: Record<string, string>): string => {
    const route: Route = { page: 'application', namespace, name, tab: 'resources', given: more };
    return link(route);
  };
  const object = readObject(given['object'] ?? '');
  const set = (id: string, open: boolean) => {
    if (id === 'well') showWell(open);
    else choose(new Map(chosen).set(id, open));
  };
  return (
    <section aria-label="Resources">
      <Shown of={loaded}>
        {(tree) => {
          // Where nothing needs a look, all of it is shown.
          const well = chosenWell ?? tree.items.every(isWell);
          const all = rows(tree.items, { chosen, well, search });
          return (
            <>
              <div class="tools">
                <search>
                  <input
                    id="search"
                    type="search"
                    placeholder="Find a kind or a name"
                    aria-label="Find a kind or a name"
                    value={search}
                    onInput={(event) => setSearch(event.currentTarget.value)}
                  />
                </search>
                <label class="choice">
                  <input type="checkbox" checked={well} onChange={(event) => showWell(event.currentTarget.checked)} />
                  <span>Show what is healthy</span>
                </label>
                <span class="quiet">
                  {summary(tree.items)}, read <Time at={tree.readAt} /> ago
                </span>
              </div>
              <Missing rights={tree.missing} notes={tree.notes} />
              {tree.items.length === 0 ? (
                <p class="nothing">Nothing was applied yet.</p>
              ) : all.length === 0 ? (
                <p class="nothing">Nothing has this in its kind or name.</p>
              ) : (
                <TreeGrid
                  rows={all}
                  home={destination}
                  set={set}
                  toggleWell={() => showWell(!well)}
                  to={(what, view) => to({ object: what, ...(view ? { view } : {}) })}
                />
              )}
              <p class="keys quiet wide">
                <kbd>↑</kbd> <kbd>↓</kbd> walk, <kbd>→</kbd> <kbd>←</kbd> open and close, <kbd>Enter</kbd> looks closer, <kbd>h</kbd> shows what
                is healthy
              </p>
            </>
          );
        }}
      </Shown>
      {object ? (
        <ObjectDrawer
          key={given['object']}
          path={path}
          object={object}
          home={destination}
          view={given['view'] ?? ''}
          to={to}
          close={() => {
            window.location.hash = to({});
          }}
        />
      ) : null}
    </section>
  );
}
