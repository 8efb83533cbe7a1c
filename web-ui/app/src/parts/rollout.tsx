// The rollout of the last change: its stations in order, where it is, its hooks and pauses.
import { now } from '../clock.ts';
import type { Hook, Pause, Rollout } from '../model.ts';
import { between, duration, length } from '../time.ts';
import { stations, type Station } from '../rollout.ts';
import * as words from '../words.ts';
import { Copy } from './copy.tsx';
import { Mark } from './mark.tsx';
import { CommitId, CommitLine, ObjectText, Time, Until } from './text.tsx';

export function RolloutStrip({ rollout, home }: { rollout: Rollout; home: string }) {
  return (
    <section class="rollout" aria-labelledby="rollout">
      <h2 id="rollout">
        Rollout of <CommitId id={rollout.commit} />{' '}
        <span class="count">
          began <Time at={rollout.startedAt} /> ago
        </span>
      </h2>
      <ol class="strip" aria-label="Stations of the rollout">
        {stations(rollout).map((station) => (
          <li key={station.name} class={station.state} aria-current={station.state === 'here' ? 'step' : undefined}>
            <Mark look={lookOf(station)} />
            <span class="quiet">
              {station.note}
              {station.state === 'here' ? (
                <>
                  {station.note ? ', ' : ''}for <Time at={rollout.since} />
                </>
              ) : null}
            </span>
          </li>
        ))}
      </ol>
      {rollout.hooks.length > 0 ? <Hooks hooks={rollout.hooks} home={home} /> : null}
      {rollout.pauses.length > 0 ? <Pauses pauses={rollout.pauses} home={home} /> : null}
      {rollout.revert ? (
        <div class="revert">
          <h3>What a revert would undo</h3>
          <ul>
            {rollout.revert.commits.map((commit) => (
              <li key={commit.id}>
                <CommitLine commit={commit} />
              </li>
            ))}
          </ul>
          {rollout.revert.command ? <Copy text={rollout.revert.command} /> : null}
        </div>
      ) : null}
    </section>
  );
}

function lookOf({ name, state }: Station): words.Look {
  const looks: Record<Station['state'], words.Look> = {
    done: { word: name, tone: 'good', shape: 'tick' },
    here: { word: name, tone: 'busy', shape: 'half' },
    failed: { word: name, tone: 'bad', shape: 'cross' },
    comes: { word: name, tone: 'idle', shape: 'hollow' },
  };
  return looks[state];
}

const moments: Record<Hook['moment'], string> = {
  before: 'before',
  after: 'after',
  failure: 'on failure',
  during: 'with its wave',
  'before-delete': 'before deletion',
  'after-delete': 'after deletion',
};

function Hooks({ hooks, home }: { hooks: Hook[]; home: string }) {
  return (
    <table class="list">
      <caption class="unseen">Hooks of the rollout</caption>
      <thead>
        <tr>
          <th scope="col">Hook</th>
          <th scope="col">Object</th>
          <th scope="col" class="wide">When</th>
          <th scope="col" class="number">Took</th>
        </tr>
      </thead>
      <tbody>
        {hooks.map((hook) => (
          <tr key={`${hook.moment}/${hook.object.kind}/${hook.object.name}`}>
            <td class="state">
              <Mark look={words.hook(hook.state)} />
            </td>
            <td>
              <ObjectText object={hook.object} home={home} />
              {hook.message ? <p class={hook.state === 'failed' ? 'because' : 'remark'}>{hook.message}</p> : null}
              <span class="narrow quiet">{moments[hook.moment]}</span>
            </td>
            <td class="wide">{moments[hook.moment]}</td>
            <td class="number">{took(hook)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function took({ startedAt, finishedAt }: Hook): string {
  if (!startedAt) return '';
  if (finishedAt) return duration(between(startedAt, finishedAt));
  return length((now.value - Date.parse(startedAt)) / 1000);
}

function Pauses({ pauses, home }: { pauses: Pause[]; home: string }) {
  return (
    <ul class="pauses">
      {pauses.map((pause) => (
        <li key={pause.afterWave}>
          <Mark look={words.pause(pause.state)} /> Pause after wave {pause.afterWave}
          {pause.object ? (
            <>
              {' '}
              until <code>{pause.condition}</code> holds of <ObjectText object={pause.object} home={home} />
            </>
          ) : pause.seconds != null ? (
            ` of ${length(pause.seconds)}`
          ) : null}
          {pause.state === 'running' && pause.endsAt ? (
            <>
              {pause.object ? ', fails ' : ', ends '}
              <Until at={pause.endsAt} />
            </>
          ) : null}
        </li>
      ))}
    </ul>
  );
}
