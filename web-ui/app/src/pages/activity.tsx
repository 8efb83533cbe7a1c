// What people asked for: who, from where, what, what it changed, and how it ended.
import { exportPath, filters, known, listPath, toggled, type Filter, type Given } from '../calls.ts';
import { useTitle } from '../headline.ts';
import type { Call } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Older } from '../parts/older.tsx';
import { Empty } from '../parts/states.tsx';
import { Moment, Prose, Time } from '../parts/text.tsx';
import { link, searchFor, type Route } from '../route.ts';
import * as words from '../words.ts';

export function ActivityPage({ given: all }: { given: Record<string, string> }) {
  const given = known(all);
  const filtered = Object.keys(given).length > 0;
  useTitle('Activity');
  return (
    <main id="main">
      <header class="heading">
        <h1 tabIndex={-1}>Activity</h1>
        <p class="actions">
          <a class="button" href={exportPath(given, 'csv')} download>
            Export as CSV
          </a>
          <a class="button" href={exportPath(given, 'jsonl')} download>
            Export as JSONL
          </a>
        </p>
      </header>
      <Filters given={given} />
      <Older<Call>
        path={listPath(given)}
        concerns={({ topic }) => topic === 'application' || topic === 'image-policy' || topic === 'agent'}
        none=""
        empty={() => (filtered ? <NoMatch /> : <None />)}
      >
        {(items) => <Table items={items} given={given} />}
      </Older>
    </main>
  );
}

const hints: Record<Filter, string> = {
  actor: 'who',
  action: 'what, for example sync',
  kind: 'Application, ImagePolicy, Agent',
  target: 'namespace/name',
};

function Filters({ given }: { given: Given }) {
  return (
    <search class="form filters">
      {filters.map((filter) => (
        <label key={filter}>
          <span>{words.capital(filter)}</span>
          <input
            type="search"
            placeholder={hints[filter]}
            maxLength={256}
            spellcheck={false}
            autocomplete="off"
            value={given[filter] ?? ''}
            onChange={(event) => {
              const value = event.currentTarget.value.trim();
              const { [filter]: _, ...rest } = given;
              searchFor({ page: 'activity', given: value ? { ...rest, [filter]: value } : rest });
            }}
          />
        </label>
      ))}
    </search>
  );
}

function NoMatch() {
  return (
    <p class="nothing">
      Nobody did that. <a href={link({ page: 'activity', given: {} })}>Show everything</a>
    </p>
  );
}

function None() {
  return (
    <Empty title="Nobody has asked for anything yet">
      <p>
        Every call through the API that changes something is listed here, also one that was refused: who asked, from
        where, for what, what it changed, and how it ended.
      </p>
      <p>
        <Prose text="What is done with `kubectl` or in Git is not: the audit log of Kubernetes and the commits say who that was." />
      </p>
    </Empty>
  );
}

function Table({ items, given }: { items: Call[]; given: Given }) {
  const filter = (name: Filter, value: string) => link({ page: 'activity', given: toggled(given, name, value) });
  return (
    <table class="list stack">
      <thead>
        <tr>
          <th scope="col">Outcome</th>
          <th scope="col">What</th>
          <th scope="col" class="wide">Who, and from where</th>
          <th scope="col" class="wide">When</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id}>
            <td class="state">
              <Mark look={item.failure ? words.act(item.failure) : { word: 'done', tone: 'good', shape: 'tick' }} />
            </td>
            <td>
              <a class="to" href={filter('action', item.action)} title={`Only ${item.action}`}>
                {words.acted(item.action)}
              </a>{' '}
              <Target call={item} />
              {item.detail ? (
                <p class="remark">
                  <Prose text={item.detail} />
                </p>
              ) : null}
              {item.failure ? (
                <p class="because">
                  <Prose text={item.failure.sentence} />
                  {item.failure.detail ? (
                    <>
                      : <Prose text={item.failure.detail} />
                    </>
                  ) : null}
                </p>
              ) : null}
              <span class="narrow quiet">
                by {item.actor}
                {item.address ? ` from ${item.address}` : ''}
              </span>
            </td>
            <td class="wide">
              <a class="to" href={filter('actor', item.actor)} title={`Only ${item.actor}`}>
                {item.actor}
              </a>
              {item.address ? <span class="remark field">{item.address}</span> : null}
            </td>
            <td class="wide quiet">
              <Moment at={item.time} />
            </td>
            <td class="number">
              <Time at={item.time} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What a call is about, with a link to its page where it has one. */
function Target({ call: { kind, namespace, name } }: { call: Call }) {
  if (!name) return <span class="quiet">{kind}</span>;
  const text = `${namespace}/${name}`;
  const to = pageOf(kind, namespace, name);
  return (
    <>
      <span class="quiet">{kind}</span> {to ? <a href={link(to)}>{text}</a> : text}
    </>
  );
}

function pageOf(kind: string, namespace: string, name: string): Route | null {
  switch (kind) {
    case 'Application':
      return { page: 'application', namespace, name };
    case 'ImagePolicy':
      return { page: 'image', namespace, name, rule: '', query: '' };
    case 'Repository':
      return { page: 'repository', namespace, name };
    default:
      return null;
  }
}
