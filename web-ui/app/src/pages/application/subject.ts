// What is done with an application is asked of its page and of its overview alike.
import type { ApplicationDetail } from '../../model.ts';
import type { Subject } from '../../parts/actions.tsx';

/** What the actions have to know of an application. */
export function subjectOf(detail: ApplicationDetail, path: string): Subject {
  const { summary, approval, keptBy } = detail;
  return {
    target: 'application',
    key: `${summary.namespace}/${summary.name}`,
    path,
    home: summary.destination,
    keptBy: keptBy ?? null,
    ...(summary.revision ? { commit: summary.revision.commit } : {}),
    ...(approval ? { plan: approval.planHash } : {}),
    ...(summary.lastSync ? { lastSync: summary.lastSync.id } : {}),
  };
}
