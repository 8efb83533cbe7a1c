// What others changed: what differs from Git now, and what the syncs found before.
import { useTitle } from '../headline.ts';
import type { DriftedObject, DriftedSync, DriftList } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Older } from '../parts/older.tsx';
import { Empty } from '../parts/states.tsx';
import { ObjectText, Prose, Time } from '../parts/text.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';

export function DriftPage() {
  useTitle('Drift');
  return (
    <main id="main">
      <h1 tabIndex={-1}>Drift</h1>
      <Older<DriftedSync, DriftList>
        path="drift"
        concerns={({ topic }) => topic === 'sync' || topic === 'agent'}
        none=""
        above={(first) => <Now items={first.now} none={first.items.length > 0} />}
        empty={(first) => (first.now.length === 0 ? <None /> : <p class="nothing">No sync has found any yet.</p>)}
      >
        {(items) => <Before items={items} />}
      </Older>
    </main>
  );
}

function None() {
  return (
    <Empty title="Nothing was changed by others">
      <p>
        Every object in the cluster is as Git says. When somebody changes one, it is listed here: which fields, with
        which client and when, and whether it is put back.
      </p>
    </Empty>
  );
}

function Now({ items, none }: { items: DriftedObject[]; none: boolean }) {
  if (items.length === 0) return none ? <p class="nothing">Nothing differs from Git now.</p> : null;
  return (
    <section aria-labelledby="now">
      <h2 id="now">
        Differs now <span class="count">{items.length}</span>
      </h2>
      <table class="list stack">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Object</th>
            <th scope="col">Fields</th>
            <th scope="col" class="wide">Changed by</th>
            <th scope="col" class="wide number">Age</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <Row key={`${item.namespace}/${item.application} ${JSON.stringify(item.object)}`} item={item} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ item }: { item: DriftedObject }) {
  const { namespace, application: name } = item;
  return (
    <tr>
      <td class="state">
        <Mark look={item.gone ? { word: 'gone', tone: 'bad', shape: 'cross' } : { word: 'changed', tone: 'wait', shape: 'person' }} />
      </td>
      <td>
        <ObjectText object={item.object} home={namespace} />
        <span class="remark field">
          of{' '}
          <a data-row href={link({ page: 'application', namespace, name })}>
            {namespace}/{name}
          </a>
          {item.sync ? (
            <>
              , found by <a href={link({ page: 'sync', id: item.sync })}>this sync</a>
            </>
          ) : null}
        </span>
        <p class="remark">
          <b>{item.selfHeal ? 'Self-heal is on' : 'Self-heal is off'}:</b> <Prose text={item.next} />
          {item.repairs > 1 ? `; put back ${item.repairs} times in a row` : ''}.
        </p>
        <span class="narrow quiet">{item.manager ? `by ${item.manager}` : ''}</span>
      </td>
      <td>
        <Fields fields={item.fields} gone={item.gone} looked={item.manager != null} />
      </td>
      <td class="wide">{item.manager ?? <span class="quiet">not looked at yet</span>}</td>
      <td class="wide number">{item.time ? <Time at={item.time} /> : ''}</td>
    </tr>
  );
}

function Fields({ fields, gone, looked }: { fields: string[]; gone: boolean; looked: boolean }) {
  if (fields.length > 0) {
    return (
      <>
        {fields.map((field) => (
          <code key={field} class="field">
            {field}
          </code>
        ))}
      </>
    );
  }
  const said = gone ? 'the object is gone' : looked ? 'the object was gone' : 'the next sync names them';
  return <span class="quiet">{said}</span>;
}

function Before({ items }: { items: DriftedSync[] }) {
  return (
    <section aria-labelledby="before">
      <h2 id="before">Found by syncs</h2>
      <table class="list stack">
        <thead>
          <tr>
            <th scope="col">Sync</th>
            <th scope="col">Object</th>
            <th scope="col">Fields</th>
            <th scope="col" class="wide">Changed by</th>
            <th scope="col" class="number">Age</th>
          </tr>
        </thead>
        <tbody>{items.map((sync) => sync.items.map((item, index) => (
          <tr key={`${sync.id} ${index}`}>
            <td class="state">
              {index === 0 ? (
                <a data-row href={link({ page: 'sync', id: sync.id })} title="To the sync">
                  <Mark look={outcome(sync)} />
                </a>
              ) : null}
            </td>
            <td>
              {item.object}
              <span class="remark field">
                of{' '}
                <a href={link({ page: 'application', namespace: sync.namespace, name: sync.application })}>
                  {sync.namespace}/{sync.application}
                </a>
              </span>
              <span class="narrow quiet">by {item.manager}</span>
            </td>
            <td>
              <Fields fields={item.fields} gone={false} looked />
            </td>
            <td class="wide">{item.manager}</td>
            <td class="number">
              <Time at={item.time ?? sync.time} />
            </td>
          </tr>
        )))}</tbody>
      </table>
    </section>
  );
}

/** A sync that did everything put it back. */
function outcome(sync: DriftedSync): words.Look {
  if (sync.result === 'succeeded') return { word: 'put back', tone: 'good', shape: 'tick' };
  if (sync.result === 'held') return { word: 'left alone', tone: 'wait', shape: 'hand' };
  return words.result(sync.result);
}
