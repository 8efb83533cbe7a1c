// What comes first, and how the groups are counted.
import type { Severity, Why } from './model.ts';

/** What has a name and a state. */
interface Judged {
  namespace: string;
  name: string;
  severity: Severity;
  why: Why;
}

/** From what needs attention most to what is well. */
export const severities: readonly Severity[] = [
  'failing',
  'waiting',
  'progressing',
  'suspended',
  'healthy',
];

/** Failing first, then what is in its state longest, then by name. Leaves the argument alone. */
export function failingFirst<T extends Judged>(items: readonly T[]): T[] {
  return [...items].sort(
    (a, b) =>
      severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
      (a.severity === 'healthy' ? 0 : since(a) - since(b)) ||
      compare(a.namespace, b.namespace) ||
      compare(a.name, b.name),
  );
}

/** How many of each severity, those that are there only, in order. */
export function tally(items: readonly Judged[]): [Severity, number][] {
  return severities
    .map((severity): [Severity, number] => [
      severity,
      items.filter((item) => item.severity === severity).length,
    ])
    .filter(([, count]) => count > 0);
}

function since(item: Judged): number {
  const time = item.why.since;
  return time ? Date.parse(time) : Number.MAX_SAFE_INTEGER;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
