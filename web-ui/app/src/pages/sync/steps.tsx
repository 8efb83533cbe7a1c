// The steps of a sync, as of a job: what was done, where it stopped, how long each took.
import type { SyncDetail } from '../../model.ts';
import { Mark } from '../../parts/mark.tsx';
import { purpose, steps, type RunStep, type StepState } from '../../runs.ts';
import { duration } from '../../time.ts';
import type { Look } from '../../words.ts';

export function Steps({ detail }: { detail: SyncDetail }) {
  const rows = steps(detail);
  return (
    <section aria-labelledby="steps">
      <h2 id="steps">Steps</h2>
      {rows.length === 0 ? (
        <p class="nothing">It did not begin.</p>
      ) : (
        <ol class="steps">
          {rows.map((step, index) => (
            <li key={index} class={step.state}>
              <Mark look={lookOf(step)} />
              <span class="quiet purpose">{purpose(step.name)}</span>
              <svg class="bar" width="100%" height="8" aria-hidden="true">
                <rect x={`${step.from}%`} y="0" width={`${Math.max(step.share, 0.6)}%`} height="8" rx="2" />
              </svg>
              <span class="number">{step.micros === null ? says[step.state] : duration(step.micros)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const says: Record<StepState, string> = { done: 'done', failed: 'stopped here', held: 'held here', busy: 'running' };

function lookOf({ name, state }: RunStep): Look {
  const looks: Record<StepState, Look> = {
    done: { word: name, tone: 'good', shape: 'tick' },
    failed: { word: name, tone: 'bad', shape: 'cross' },
    held: { word: name, tone: 'wait', shape: 'hand' },
    busy: { word: name, tone: 'busy', shape: 'half' },
  };
  return looks[state];
}
