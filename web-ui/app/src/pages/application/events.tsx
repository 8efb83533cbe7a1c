// What Kubernetes says about the objects of an application and what is below them.
import { useState } from 'preact/hooks';
import { useFresh } from '../../fresh.ts';
import { useLoaded } from '../../load.ts';
import type { Events as Said } from '../../model.ts';
import { EventTable } from '../../parts/events.tsx';
import { Missing } from '../../parts/missing.tsx';
import { Shown } from '../../parts/states.tsx';
import { link } from '../../route.ts';
import type { TabProps } from './tabs.tsx';

export function Events({ detail, path, concerns }: TabProps) {
  const loaded = useLoaded<Said>(`${path}/events`, concerns);
  useFresh(loaded, 10);
  const [search, setSearch] = useState('');
  const [warnings, onlyWarnings] = useState(false);
  const { namespace, name, destination } = detail.summary;
  const wanted = search.trim().toLowerCase();
  return (
    <section aria-label="Events">
      <div class="tools">
        <search>
          <input
            id="search"
            type="search"
            placeholder="Find a word, a kind or a name"
            aria-label="Find a word, a kind or a name"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </search>
        <label class="choice">
          <input type="checkbox" checked={warnings} onChange={(event) => onlyWarnings(event.currentTarget.checked)} />
          <span>Warnings only</span>
        </label>
      </div>
      <Shown of={loaded}>
        {(events) => {
          const found = events.items.filter((event) => {
            const text = `${event.reason} ${event.message} ${event.object.kind} ${event.object.name} ${event.source}`;
            return (!warnings || event.warning) && text.toLowerCase().includes(wanted);
          });
          return (
            <>
              <Missing rights={events.missing} notes={events.notes} />
              {events.items.length > 0 && found.length === 0 ? (
                <p class="nothing">None of {events.items.length} events is like that.</p>
              ) : (
                <EventTable
                  events={found}
                  home={destination}
                  to={(object) => link({ page: 'application', namespace, name, tab: 'resources', given: { object } })}
                />
              )}
            </>
          );
        }}
      </Shown>
    </section>
  );
}
