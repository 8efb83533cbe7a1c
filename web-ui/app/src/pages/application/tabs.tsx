// The tabs of an application: one row each. A tab that is added gets its row here and a file of its own.
import type { ComponentChildren } from 'preact';
import type { ApplicationDetail, Change } from '../../model.ts';
import { DiffTab } from './diff.tsx';
import { Configuration } from './configuration.tsx';
import { Events } from './events.tsx';
import { Logs } from './logs.tsx';
import { Overview } from './overview.tsx';
import { Resources } from './resources.tsx';
import { Timeline } from './timeline.tsx';

/** What a tab is given. */
export interface TabProps {
  detail: ApplicationDetail;
  /** The application in the API: `applications/shop/web`. */
  path: string;
  /** Which changes of the stream are about this application. */
  concerns: (change: Change) => boolean;
  /** What stands behind `?` in the address. */
  given: Record<string, string>;
}

interface Row {
  /** The last part of the address; the first tab has none. */
  id: string;
  word: string;
  /** How many things are behind it, where that is worth a look. */
  count?: (detail: ApplicationDetail) => number;
  show: (props: TabProps) => ComponentChildren;
}

export const rows: readonly Row[] = [
  { id: '', word: 'Overview', show: (props) => <Overview {...props} /> },
  { id: 'diff', word: 'Diff', show: (props) => <DiffTab {...props} /> },
  { id: 'resources', word: 'Resources', count: (detail) => detail.summary.objects, show: (props) => <Resources {...props} /> },
  { id: 'timeline', word: 'Timeline', show: (props) => <Timeline {...props} /> },
  { id: 'events', word: 'Events', show: (props) => <Events {...props} /> },
  { id: 'logs', word: 'Logs', show: (props) => <Logs {...props} /> },
  { id: 'configuration', word: 'Configuration', show: (props) => <Configuration {...props} /> },
];
