// The list of applications, failing first.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { useApplications } from '../applications.ts';
import { cut, hasKey, terms, toggled } from '../filter.ts';
import { headline } from '../headline.ts';
import { counted, type Known } from '../list.ts';
import type { Tally } from '../model.ts';
import { over } from '../over.ts';
import { Chip } from '../parts/chip.tsx';
import { Mark } from '../parts/mark.tsx';
import { Shown } from '../parts/states.tsx';
import { link, searchFor } from '../route.ts';
import { severity } from '../words.ts';
import { Guide } from './applications/guide.tsx';
import { SharedView, ViewsMenu } from './applications/saved.tsx';
import { Table } from './applications/table.tsx';

export interface Place {
  query: string;
  sort: string;
  view: string;
}

export function ApplicationsPage(place: Place) {
  const { query, sort } = place;
  const loaded = useApplications(query, sort);
  const { known, error } = loaded;
  const failing = known?.all.failing ?? 0;
  useEffect(() => {
    headline(failing);
    return () => headline(0);
  }, [failing]);
  // A filter that is wrong is told beside the box, and what was found before stays.
  const wrong = error?.code === 'bad-filter' ? error : undefined;
  return (
    <main id="main">
      <h1 tabIndex={-1}>Applications</h1>
      <div class="tools">
        <Search place={place} isWrong={wrong !== undefined} />
        <button type="button" class="plain small" data-says="Keys and filters" onClick={() => (over.value = 'help')}>
          What can be filtered
        </button>
        <Order place={place} />
        <ViewsMenu place={place} />
      </div>
      {wrong ? <Wrong query={query} message={wrong.message} at={wrong.at} /> : null}
      <Chips place={place} />
      <SharedView place={place} />
      <Shown of={{ data: known, error: wrong ? undefined : error, reload: loaded.reload }}>
        {(known) =>
          known.all.total === 0 ? (
            <Guide />
          ) : (
            <>
              <Counts known={known} place={place} />
              {known.rows.length === 0 ? (
                <p class="nothing">
                  No application is found by this filter. <a href={link({ page: 'applications', query: '', sort })}>Show all {known.all.total}</a>
                </p>
              ) : (
                <Table known={known} sort={sort} query={query} isCurrent={loaded.isCurrent} more={loaded.more} />
              )}
            </>
          )
        }
      </Shown>
    </main>
  );
}

function Search({ place, isWrong }: { place: Place; isWrong: boolean }) {
  return (
    <search>
      <input
        id="search"
        type="search"
        aria-label="Filter applications"
        placeholder="Filter: words, health:degraded, ns:pay*"
        spellcheck={false}
        autocomplete="off"
        aria-invalid={isWrong}
        aria-describedby={isWrong ? 'wrong' : undefined}
        value={place.query}
        onInput={(event) => searchFor({ page: 'applications', query: event.currentTarget.value, sort: place.sort })}
      />
    </search>
  );
}

/** On a narrow screen there are no headings to sort by. */
function Order({ place }: { place: Place }) {
  const orders = { '': 'what needs attention', name: 'name', age: 'youngest commit', sync: 'last sync' };
  return (
    <label class="narrow">
      <span class="quiet">By</span>{' '}
      <select value={place.sort} onChange={(event) => searchFor({ page: 'applications', query: place.query, sort: event.currentTarget.value })}>
        {Object.entries(orders).map(([sort, words]) => (
          <option key={sort} value={sort}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The filter with the part marked that is wrong, and why. */
function Wrong({ query, message, at }: { query: string; message: string; at: { from: number; to: number } | undefined }) {
  const [before, wrong, after] = cut(query, at ?? { from: 0, to: 0 });
  return (
    <p class="invalid" id="wrong" role="status">
      <code>
        {before}
        <mark>{wrong}</mark>
        {after}
      </code>{' '}
      {message}.
    </p>
  );
}

/** The terms of the filter, each with a way to take it out. */
function Chips({ place }: { place: Place }) {
  const all = terms(place.query);
  const keyed = [...new Set(all.filter(hasKey))];
  if (keyed.length === 0) return null;
  return (
    <ul class="terms" aria-label="The filter">
      {keyed.map((term) => (
        <li key={term}>
          <a class="label" href={link({ page: 'applications', query: toggled(place.query, term), sort: place.sort })} aria-label={`Take ${term} out of the filter`}>
            <code>{term}</code> <span aria-hidden="true">×</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** How many there are of each kind; each is a filter. */
function Counts({ known, place }: { known: Known; place: Place }) {
  const { all, matching } = known;
  const extras: [keyof Tally, string, string][] = [
    ['drifted', 'drift:yes', 'drifted'],
    ['updates', 'update:yes', all.updates === 1 ? 'update waits' : 'updates wait'],
  ];
  const isPart = matching.total !== all.total;
  return (
    <p class="tally" role="status">
      {counted(all).map(([kind, count]) => {
        const look = severity(kind);
        return (
          <Term key={kind} place={place} term={`state:${kind}`}>
            <Mark look={{ ...look, word: `${count} ${look.word}` }} />
          </Term>
        );
      })}
      {extras
        .filter(([field]) => all[field] > 0)
        .map(([field, term, word]) => (
          <Term key={field} place={place} term={term}>
            {all[field]} {word}
          </Term>
        ))}
      {isPart ? (
        <span class="quiet found">
          {matching.total} of {all.total} found
        </span>
      ) : null}
    </p>
  );
}

/** A term that is put into the filter, or taken out of it. */
function Term({ place, term, children }: { place: Place; term: string; children: ComponentChildren }) {
  return (
    <Chip
      chosen={terms(place.query).includes(term)}
      to={link({ page: 'applications', query: toggled(place.query, term), sort: place.sort })}
    >
      {children}
    </Chip>
  );
}
