// What differs in an application: live against Git, against another branch, or between two syncs.
import { useState } from 'preact/hooks';
import { now } from '../../clock.ts';
import { useLoaded } from '../../load.ts';
import type { Diff, DiffSide, Sync, SyncList } from '../../model.ts';
import { written } from '../../objects.ts';
import { Chip } from '../../parts/chip.tsx';
import { DiffOfObject, useRoom, type View } from '../../parts/diff.tsx';
import { Shown } from '../../parts/states.tsx';
import { CommitLine, Prose } from '../../parts/text.tsx';
import { link } from '../../route.ts';
import { ago } from '../../time.ts';
import * as words from '../../words.ts';
import type { TabProps } from './tabs.tsx';

/** What is compared; without syncs and reference live objects with what Git says. */
interface Compared {
  namespace: string;
  name: string;
  from: string;
  to: string;
  reference: string;
}

/** With more objects than these each is opened by hand. */
const few = 20;
/** Syncs to choose from. */
const choices = 50;

export function DiffTab({ detail, path, given }: TabProps) {
  const { namespace, name } = detail.summary;
  const [to, reference] = [given['to'] ?? '', given['ref'] ?? ''];
  const syncs = useLoaded<SyncList>(`${path}/syncs?limit=${choices}`, () => false);
  const items = syncs.data?.items ?? [];
  // Who comes from a sync compares it with the one before.
  const from = given['from'] || (to ? (items.find((sync) => sync.id < to)?.id ?? '') : '');
  const compared = { namespace, name, from, to, reference };
  const waits = to !== '' && from === '';
  return (
    <>
      <Chooser key={`${from} ${to} ${reference}`} compared={compared} syncs={items} />
      {waits ? (
        <p class="nothing">
          {syncs.data ? 'History has no earlier sync: choose two syncs.' : 'Looking for the sync before…'}
        </p>
      ) : (
        <Differences key={`${from} ${to} ${reference}`} path={`${path}/diff${asked(compared)}`} />
      )}
    </>
  );
}

function address({ namespace, name, from, to, reference }: Compared): string {
  return link({ page: 'application', namespace, name, tab: 'diff', given: { from, to, ref: reference } });
}

/** The part after `?`. */
function asked({ from, to, reference }: Compared): string {
  if (from && to) return `?${new URLSearchParams({ from, to })}`;
  return reference ? `?${new URLSearchParams({ ref: reference })}` : '';
}

/** What is compared with what: each choice is an address. */
function Chooser({ compared, syncs }: { compared: Compared; syncs: Sync[] }) {
  const { namespace, name } = compared;
  const none = { namespace, name, from: '', to: '', reference: '' };
  const [reference, setReference] = useState(compared.reference);
  const [from, setFrom] = useState(compared.from);
  const [to, setTo] = useState(compared.to);
  const go = (event: Event, chosen: Partial<Compared>) => {
    event.preventDefault();
    window.location.hash = address({ ...none, ...chosen });
  };
  const live = !compared.reference && !compared.to;
  return (
    <div class="tools compare">
      <Chip chosen={live} to={address(none)}>
        Live against Git
      </Chip>
      <form onSubmit={(event) => go(event, { reference: reference.trim() })}>
        <label>
          Live against{' '}
          <input
            type="text"
            value={reference}
            placeholder="branch, tag or commit"
            onInput={(event) => setReference(event.currentTarget.value)}
          />
        </label>{' '}
        <button type="submit" disabled={reference.trim() === ''}>
          Compare
        </button>
      </form>
      <form onSubmit={(event) => go(event, { from, to })}>
        <label>
          Sync <Choice chosen={from} choose={setFrom} syncs={syncs} />
        </label>{' '}
        <label>
          against <Choice chosen={to} choose={setTo} syncs={syncs} />
        </label>{' '}
        <button type="submit" disabled={from === '' || to === '' || from === to}>
          Compare
        </button>
      </form>
    </div>
  );
}

function Choice(props: { chosen: string; choose: (id: string) => void; syncs: Sync[] }) {
  const { chosen, choose, syncs } = props;
  const known = chosen === '' || syncs.some((sync) => sync.id === chosen);
  return (
    <select value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
      <option value="">choose</option>
      {known ? null : <option value={chosen}>an older one</option>}
      {syncs.map((sync) => (
        <option key={sync.id} value={sync.id}>
          {ago(sync.startedAt, now.value)} ago: {words.counts(sync.counts)}
          {sync.commit ? `, ${sync.commit.subject.slice(0, 50)}` : ''}
        </option>
      ))}
    </select>
  );
}

function Differences({ path }: { path: string }) {
  // Each answer costs a render and requests to the API server: it is asked for by hand.
  const loaded = useLoaded<Diff>(path, () => false);
  return (
    <Shown of={loaded}>
      {(diff) => (
        <>
          <Heading diff={diff} again={loaded.reload} />
          <Objects diff={diff} />
        </>
      )}
    </Shown>
  );
}

function Heading({ diff, again }: { diff: Diff; again: () => void }) {
  const { from, to, ignored, unread, warnings } = diff;
  return (
    <>
      <dl class="facts">
        <div class="broad">
          <dt>Before</dt>
          <dd>
            <Side side={from} />
          </dd>
        </div>
        <div class="broad">
          <dt>After</dt>
          <dd>
            <Side side={to} />
          </dd>
        </div>
        <div>
          <dt>Objects</dt>
          <dd>
            {diff.objects.length === 1 ? '1 differs' : `${diff.objects.length} differ`}
            <br />
            <span class="quiet">{diff.unchanged} are the same</span>
          </dd>
        </div>
        {from.sync ? null : (
          <div>
            <dt>Looked at now</dt>
            <dd>
              <button type="button" class="small" onClick={again}>
                Look again
              </button>
            </dd>
          </div>
        )}
      </dl>
      {ignored.length > 0 ? (
        <p class="remark">
          Left to others by <code>spec.ignore</code>:{' '}
          {ignored.map((rule, index) => (
            <span key={rule}>
              {index > 0 ? '; ' : ''}
              <Prose text={rule} />
            </span>
          ))}
          .
        </p>
      ) : null}
      {unread.map((why, index) => (
        <p key={index} class="remark">
          Nothing is known of this: {why.detail || why.sentence}
        </p>
      ))}
      {warnings.map((warning) => (
        <p key={warning} class="remark">
          {warning}
        </p>
      ))}
    </>
  );
}

function Side({ side }: { side: DiffSide }) {
  if (!side.commit) return <>{side.title}</>;
  return (
    <>
      <CommitLine commit={side.commit} />
      <span class="quiet">
        {' '}
        {side.sync ? (
          <>
            as <a href={link({ page: 'sync', id: side.sync })}>this sync</a> left it
          </>
        ) : (
          <>at {side.title}</>
        )}
      </span>
    </>
  );
}

function Objects({ diff }: { diff: Diff }) {
  const room = useRoom();
  const [view, setView] = useState<View>('unified');
  const { objects } = diff;
  if (objects.length === 0) {
    return (
      <p class="nothing">
        {diff.from.sync ? 'Both syncs left the same.' : 'Every object is as Git says; nothing would be written.'}
      </p>
    );
  }
  return (
    <section aria-labelledby="objects">
      <div class="heading">
        <h2 id="objects">
          Objects <span class="count">{objects.length}</span>
        </h2>
        {room ? (
          <label class="choice">
            <input
              type="checkbox"
              checked={view === 'beside'}
              onChange={(event) => setView(event.currentTarget.checked ? 'beside' : 'unified')}
            />
            <span>side by side</span>
          </label>
        ) : null}
      </div>
      {objects.map((object) => (
        <DiffOfObject
          key={written(object.object)}
          diff={object}
          home={object.object.namespace ?? ''}
          view={room ? view : 'unified'}
          open={objects.length <= few && object.object.kind !== 'CustomResourceDefinition'}
        />
      ))}
      <p class="quiet masks">
        <Prose text="`(hidden, …)` stands for a secret: equal values have equal marks, and nothing else can be learnt." />
      </p>
    </section>
  );
}
