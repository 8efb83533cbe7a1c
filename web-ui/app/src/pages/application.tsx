// One application: why it is as it is, what can be done with it, and its tabs.
import { applicationPath } from '../client.ts';
import { useTitle } from '../headline.ts';
import { useLoaded } from '../load.ts';
import type { ApplicationDetail, Change } from '../model.ts';
import { Actions } from '../parts/actions.tsx';
import { Shown } from '../parts/states.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { WhyPanel } from '../parts/why.tsx';
import { link } from '../route.ts';
import * as words from '../words.ts';
import { subjectOf } from './application/subject.ts';
import { rows } from './application/tabs.tsx';

/** The keys of tabs, where they have one. */
const letters: Record<string, string> = { '': 'o', timeline: 't', resources: 'w', diff: 'd', events: 'e', logs: 'l', configuration: 'c' };

interface Props {
  namespace: string;
  name: string;
  tab?: string;
  given?: Record<string, string>;
}

export function ApplicationPage({ namespace, name, tab = '', given = {} }: Props) {
  const key = `${namespace}/${name}`;
  const path = applicationPath(namespace, name);
  const concerns = (change: Change) =>
    (change.topic === 'application' || change.topic === 'sync') && change.key === key;
  const loaded = useLoaded<ApplicationDetail>(path, concerns);
  const severity = loaded.data?.summary.severity;
  const shown = rows.find((row) => row.id === tab);
  const word = tab && shown ? `${shown.word} of ` : '';
  useTitle(`${severity === 'failing' ? '(failing) ' : ''}${word}${key}`);
  return (
    <main id="main">
      <nav class="crumbs" aria-label="Where you are">
        <a href={link({ page: 'applications', query: '' })}>Applications</a> /{' '}
        <a href={link({ page: 'applications', query: `ns:${namespace}` })}>{namespace}</a>
      </nav>
      <header class="heading">
        <h1 tabIndex={-1}>{name}</h1>
        {loaded.data ? (
          <Actions subject={subjectOf(loaded.data, path)} allowed={loaded.data.allowedActions} loaded={loaded.data} />
        ) : null}
      </header>
      <Shown of={loaded}>
        {(detail) => (
          <>
            <WhyPanel
              why={detail.summary.why}
              look={words.state(detail.summary.severity, detail.summary.why)}
              waits={{
                waitingFor: detail.summary.waitingFor,
                nextTry: detail.summary.nextTry ?? null,
                gates: detail.gates,
              }}
            />
            <Tabs
              label={`What is known of ${name}`}
              tabs={rows.map(({ id, word, count }) => ({
                to: link({ page: 'application', namespace, name, tab: id }),
                word,
                count: count?.(detail),
                here: id === tab,
                letter: letters[id],
              }))}
            />
            {shown ? (
              <div key={tab}>{shown.show({ detail, path, concerns, given })}</div>
            ) : (
              <p class="nothing">
                There is no such tab. <a href={link({ page: 'application', namespace, name })}>Overview</a>
              </p>
            )}
          </>
        )}
      </Shown>
    </main>
  );
}
