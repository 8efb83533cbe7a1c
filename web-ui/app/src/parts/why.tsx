// Why something is as it is: what, exactly what, what to do, since when.
import type { Gate, Why } from '../model.ts';
import type { Look } from '../words.ts';
import * as words from '../words.ts';
import { Mark } from './mark.tsx';
import { CommitId, Moment, Prose, Time, Until } from './text.tsx';

export interface Waits {
  waitingFor: string[];
  nextTry?: string | null;
  gates: Gate[];
}

export function WhyPanel({ why, look, waits }: { why: Why; look: Look; waits?: Waits }) {
  return (
    <section class={`why ${look.tone}`} aria-label="Why">
      <p class="headline">
        <Mark look={look} />
        {why.since ? (
          <span class="quiet">
            for <Time at={why.since} />
          </span>
        ) : null}
      </p>
      <p class="sentence">
        <Prose text={why.sentence} />.
      </p>
      {why.detail ? <p class="detail">{why.detail}</p> : null}
      {waits ? <Waiting waits={waits} /> : null}
      {why.remedy ? (
        <p class="remedy">
          <b>What to do:</b> <Prose text={why.remedy} />.
        </p>
      ) : null}
    </section>
  );
}

/** What is waited for, what a person decided, and when it goes on by itself. */
function Waiting({ waits: { waitingFor, nextTry, gates } }: { waits: Waits }) {
  return (
    <>
      {waitingFor.length > 0 ? (
        <>
          <p class="waits">Waits for</p>
          <ul class="waits">
            {waitingFor.map((what) => (
              <li key={what}>{what}</li>
            ))}
          </ul>
        </>
      ) : null}
      {gates.length > 0 ? (
        <ul class="gates">
          {gates.map((gate) => (
            <li key={gate.hold}>
              <Mark look={words.hold(gate.hold)} />
              {gate.commit ? (
                <>
                  {' '}
                  to <CommitId id={gate.commit} />
                </>
              ) : null}
              {gate.by ? ` by ${gate.by}` : ''}
              {gate.until ? (
                <>
                  , ends <Until at={gate.until} />
                </>
              ) : null}
              : <Prose text={gate.reason} />
            </li>
          ))}
        </ul>
      ) : null}
      {nextTry ? (
        <p class="quiet">
          Looked at again <Until at={nextTry} /> (<Moment at={nextTry} />
          ), or when what is waited for changes.
        </p>
      ) : null}
    </>
  );
}
