// What became of each object: failing first, with what was changed in it.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { applicationPath } from '../../client.ts';
import { useLoaded } from '../../load.ts';
import type { Diff, ObjectDiff, Sync, SyncDetail } from '../../model.ts';
import { written } from '../../objects.ts';
import { Changes } from '../../parts/changes.tsx';
import { DiffOfObject } from '../../parts/diff.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Shown } from '../../parts/states.tsx';
import { ObjectText, Place, Prose } from '../../parts/text.tsx';
import * as words from '../../words.ts';

type Outcome = SyncDetail['outcomes'][number];

/** More rows than this are drawn only when asked for. */
const atOnce = 200;

/** Fields are told with the sync itself; lines are the whole object, and asked for when somebody wants them. */
export function Outcomes({ detail, older }: { detail: SyncDetail; older: Sync | null }) {
  const [lines, setLines] = useState(false);
  const path = applicationPath(detail.summary.namespace, detail.summary.application);
  const given = older ? new URLSearchParams({ from: older.id, to: detail.summary.id }) : '';
  return (
    <section aria-labelledby="outcomes">
      <header class="heading">
        <h2 id="outcomes">
          Objects <span class="count">{detail.outcomes.length}</span>
        </h2>
        {older && detail.outcomes.length > 0 ? (
          <button type="button" class="small" aria-pressed={lines} onClick={() => setLines(!lines)}>
            Line by line
          </button>
        ) : null}
      </header>
      {lines ? (
        <WithLines path={`${path}/diff?${given}`}>{(diffs) => <Table detail={detail} diffs={diffs} />}</WithLines>
      ) : (
        <Table detail={detail} diffs={undefined} />
      )}
    </section>
  );
}

type Diffs = Map<string, ObjectDiff>;

function WithLines({ path, children }: { path: string; children: (diffs: Diffs) => ComponentChildren }) {
  const loaded = useLoaded<Diff>(path, () => false);
  return <Shown of={loaded}>{({ objects }) => children(new Map(objects.map((diff) => [written(diff.object), diff])))}</Shown>;
}

function Table({ detail: { outcomes, summary }, diffs }: { detail: SyncDetail; diffs: Diffs | undefined }) {
  const [only, setOnly] = useState('');
  const [all, setAll] = useState(false);
  const kinds = tally(outcomes);
  const sorted = [...outcomes].sort((a, b) => rank(a) - rank(b));
  const found = only ? sorted.filter((outcome) => lookOf(outcome).word === only) : sorted;
  const rows = all ? found : found.slice(0, atOnce);
  const { unchanged } = summary.counts;
  const stood = unchanged === 1 ? '1 object needed nothing.' : `${unchanged} objects needed nothing.`;
  return (
    <>
      {kinds.length > 1 ? (
        <p class="tally">
          {kinds.map(({ look, count }) => (
            <button
              key={look.word}
              type="button"
              class={only === look.word ? 'chip chosen' : 'chip'}
              aria-pressed={only === look.word}
              onClick={() => setOnly(only === look.word ? '' : look.word)}
            >
              <Mark look={{ ...look, word: `${count} ${look.word}` }} />
            </button>
          ))}
        </p>
      ) : null}
      {rows.length > 0 ? (
        <table class="list stack">
          <thead>
            <tr>
              <th scope="col">Outcome</th>
              <th scope="col">Object</th>
              <th scope="col" class="wide">Defined in</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((outcome, index) => (
              <Row key={index} outcome={outcome} home={summary.namespace} diff={diffs?.get(written(outcome.object))} />
            ))}
          </tbody>
        </table>
      ) : null}
      {found.length > rows.length ? (
        <p class="more">
          <button type="button" onClick={() => setAll(true)}>
            Show all {found.length}
          </button>
        </p>
      ) : null}
      {unchanged > 0 ? (
        <p class="quiet stood">{stood}</p>
      ) : outcomes.length === 0 ? (
        <p class="nothing">No object was touched.</p>
      ) : null}
    </>
  );
}

function Row({ outcome, home, diff }: { outcome: Outcome; home: string; diff: ObjectDiff | undefined }) {
  const { failure, origin } = outcome;
  return (
    <tr>
      <td class="state">
        <Mark look={lookOf(outcome)} />
      </td>
      <td>
        <ObjectText object={outcome.object} home={home} />
        {failure ? (
          <>
            <p class={outcome.action === 'skip' ? 'remark' : 'because'}>
              <Prose text={failure.sentence} />.
            </p>
            {failure.detail ? <p class="said">{failure.detail}</p> : null}
            {failure.remedy ? (
              <p class="remark">
                <Prose text={failure.remedy} />.
              </p>
            ) : null}
          </>
        ) : null}
        <Note text={outcome.note} />
        {diff ? <DiffOfObject diff={diff} home={home} view="unified" open /> : <Changes changes={outcome.changes} />}
        <span class="narrow">{origin ? <Place origin={origin} /> : null}</span>
      </td>
      <td class="wide">
        <Place origin={origin} />
      </td>
    </tr>
  );
}

/** A sentence; the log of a hook as it is. */
function Note({ text }: { text: string }) {
  if (!text) return null;
  if (!text.includes('\n')) return <p class="note quiet">{text}</p>;
  return (
    <pre class="log" tabIndex={0}>
      {text}
    </pre>
  );
}

function lookOf({ action, failure }: Outcome): words.Look {
  return words.action(action, failure);
}

/** What failed stands before what was left alone, and that before what was done. */
function rank(outcome: Outcome): number {
  if (outcome.action === 'skip') return 1;
  return outcome.failure ? 0 : 2;
}

function tally(outcomes: Outcome[]): { look: words.Look; count: number }[] {
  const kinds = new Map<string, { look: words.Look; count: number; rank: number }>();
  for (const outcome of outcomes) {
    const look = lookOf(outcome);
    const kind = kinds.get(look.word) ?? { look, count: 0, rank: rank(outcome) };
    kinds.set(look.word, { ...kind, count: kind.count + 1 });
  }
  return [...kinds.values()].sort((a, b) => a.rank - b.rank);
}
