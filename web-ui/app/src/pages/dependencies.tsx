// What needs what: a drawing, and the same as a list.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { circleInWords, curve, fitting, lines, type Line } from '../graph.ts';
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { DependencyGraph, DrawnApplication } from '../model.ts';
import { Mark } from '../parts/mark.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Prose } from '../parts/text.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';

export function DependenciesPage({ namespace, name }: { namespace: string; name: string }) {
  const path = name ? `dependencies?${new URLSearchParams({ namespace, name })}` : 'dependencies';
  const loaded = useLoaded<DependencyGraph>(path, ({ topic }) => topic === 'application');
  useTitle(name ? `${namespace}/${name} · Dependencies` : 'Dependencies');
  return (
    <main id="main">
      {name ? (
        <nav class="crumbs" aria-label="Where you are">
          <a href={link({ page: 'dependencies', namespace: '', name: '' })}>Dependencies</a> / around
        </nav>
      ) : null}
      <header class="heading">
        <h1 tabIndex={-1}>{name ? `${namespace}/${name}` : 'Dependencies'}</h1>
      </header>
      <Shown of={loaded}>
        {(graph) => (graph.needs.length === 0 ? <None of={name} /> : <Graph graph={graph} around={name !== ''} />)}
      </Shown>
    </main>
  );
}

function None({ of }: { of: string }) {
  return (
    <Empty title={of ? 'It needs no other application, and none needs it' : 'No application needs another'}>
      <p>
        <Prose text="`spec.dependsOn` of an Application names others of its namespace, or objects, that must be ready before a newer commit is applied. What waits for what is drawn here then, and circles are named." />
      </p>
    </Empty>
  );
}

function Graph({ graph, around }: { graph: DependencyGraph; around: boolean }) {
  const region = useRef<HTMLDivElement>(null);
  const all = lines(graph);
  const first = all[0]?.application;
  // Of a large drawing the part is seen first that comes first in the list.
  useLayoutEffect(() => {
    const { current } = region;
    if (first) current?.scrollTo(first.blocked || first.inCircle ? first.x - 24 : 0, first.y - current.clientHeight / 2);
  }, [first?.x, first?.y]);
  const waiting = graph.applications.filter((it) => it.blocked).length;
  return (
    <>
      {graph.circles.map((circle) => (
        <p key={circleInWords(circle)} class="banner bad" role="status">
          <b>A circle:</b> {circleInWords(circle)}. None of them can be applied until one of these dependencies is taken
          out of Git.
        </p>
      ))}
      <p class="quiet" role="status">
        {graph.applications.length} {graph.applications.length === 1 ? 'application' : 'applications'}, {waiting}{' '}
        {waiting === 1 ? 'waits' : 'wait'}. What is needed stands left.
        {!around && graph.leftOut > 0
          ? ` ${graph.leftOut} more have dependencies and are not drawn: those that wait come first.`
          : ''}
        {!around && graph.without > 0 ? ` ${graph.without} have none.` : ''}
      </p>
      <div ref={region} class="scroll graph" tabIndex={0} role="region" aria-label="Drawing of the dependencies; the list below says the same">
        <Drawing graph={graph} />
      </div>
      <List all={all} />
    </>
  );
}

/** Who does not see it has the list: nothing of it is reached by the keyboard. */
function Drawing({ graph }: { graph: DependencyGraph }) {
  const { width, height, boxWidth, boxHeight } = graph;
  // What matters lies on top.
  const needs = [...graph.needs].sort((a, b) => Number(a.blocks) - Number(b.blocks));
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {needs.map((need) => (
        <path
          key={`${need.from} ${need.to}`}
          class={need.closesCircle ? 'need circle' : need.blocks ? 'need blocks' : 'need'}
          d={curve(need.points)}
        />
      ))}
      {graph.applications.map((it) => (
        <Box key={`${it.namespace}/${it.name}`} it={it} width={boxWidth} height={boxHeight} />
      ))}
    </svg>
  );
}

function Box({ it, width, height }: { it: DrawnApplication; width: number; height: number }) {
  const { namespace, name } = it;
  const look = lookOf(it);
  return (
    <a href={link({ page: 'application', namespace, name })} tabindex={-1}>
      <title>
        {namespace}/{name}: {look.word}
      </title>
      <rect class={`box ${look.tone}${it.blocked ? ' waits' : ''}`} x={it.x} y={it.y} width={width} height={height} rx={4} />
      <text class="name" x={it.x + 10} y={it.y + 15}>
        {fitting(name, 24)}
      </text>
      <text class={`state ${look.tone}`} x={it.x + 10} y={it.y + 29}>
        {fitting(`${look.word} · ${namespace}`, 27)}
      </text>
    </a>
  );
}

function lookOf(it: DrawnApplication): words.Look {
  if (!it.severity || !it.why) return { word: 'does not exist', tone: 'bad', shape: 'cross' };
  return words.state(it.severity, it.why);
}

/** What many need is not named whole: the page around it has all of them. */
function names(all: DrawnApplication[]): string {
  const shown = all.slice(0, 12).map(({ name }) => name).join(', ');
  return all.length > 12 ? `${shown} and ${all.length - 12} more` : shown;
}

function List({ all }: { all: Line[] }) {
  return (
    <section aria-labelledby="list">
      <h2 id="list">As a list</h2>
      <table class="list stack">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Application</th>
            <th scope="col">Needs</th>
            <th scope="col" class="wide">Needed by</th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ application, needs, neededBy }) => {
            const { namespace, name } = application;
            return (
              <tr key={`${namespace}/${name}`}>
                <td class="state">
                  <Mark look={lookOf(application)} />
                </td>
                <td>
                  {application.severity ? (
                    <a data-row href={link({ page: 'application', namespace, name })}>
                      <span class="quiet">{namespace}/</span>
                      {name}
                    </a>
                  ) : (
                    <>
                      <span class="quiet">{namespace}/</span>
                      {name}
                    </>
                  )}
                  {application.inCircle ? <p class="because">It waits for itself by way of others</p> : null}
                  {neededBy.length > 0 ? (
                    <span class="narrow quiet">needed by {names(neededBy)}</span>
                  ) : null}
                  {application.severity ? (
                    <span class="remark field">
                      <a href={link({ page: 'dependencies', namespace, name })}>
                        only around it<span class="unseen">: {name}</span>
                      </a>
                    </span>
                  ) : null}
                </td>
                <td>
                  <span class="narrow quiet">needs</span>
                  {needs.map(({ application: needed, need }) => (
                    <span key={needed.name} class="field">
                      {needed.name}
                      {need.why ? (
                        <span class={need.blocks ? 'because' : 'remark'}>
                          {' '}
                          {need.blocks ? 'waits: ' : 'not ready: '}
                          <Prose text={need.why} />
                        </span>
                      ) : (
                        <span class="quiet"> ready</span>
                      )}
                    </span>
                  ))}
                  {needs.length === 0 ? <span class="quiet">nothing</span> : null}
                </td>
                <td class="wide">
                  {neededBy.length > 0 ? names(neededBy) : <span class="quiet">none</span>}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
