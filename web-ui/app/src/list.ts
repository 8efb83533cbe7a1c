// A list of applications, put together from the parts in which it comes.
import type { ApplicationList, ApplicationRow, ListedCommit, ListedReason, Severity, Tally } from './model.ts';
import { severities } from './order.ts';

/** A line with what it names. */
export interface Row extends Omit<ApplicationRow, 'commit'> {
  key: string;
  commit: ListedCommit | undefined;
  why: ListedReason | undefined;
}

/** What is known of a list. */
export interface Known {
  rows: Row[];
  all: Tally;
  matching: Tally;
  next: string | undefined;
}

/** A line of the table: an application, or the head of those of one severity. */
export type Line = { kind: 'line'; row: Row } | { kind: 'group'; severity: Severity; count: number };

/** Puts parts of a list together. One that moved between two parts is in the later place only. */
export function joined(parts: readonly ApplicationList[]): Known | undefined {
  const last = parts.at(-1);
  if (!last) return undefined;
  const rows = new Map<string, Row>();
  for (const part of parts) {
    for (const { commit, ...item } of part.items) {
      const key = `${item.namespace}/${item.name}`;
      rows.delete(key);
      rows.set(key, {
        ...item,
        key,
        commit: commit == null ? undefined : part.commits[commit],
        why: part.reasons[item.reason],
      });
    }
  }
  return { rows: [...rows.values()], all: last.all, matching: last.matching, next: last.next ?? undefined };
}

/** The lines of the table; by severity each has a head with its count. */
export function lines({ rows, matching }: Known, bySeverity: boolean): Line[] {
  const lines: Line[] = [];
  let before: Severity | undefined;
  for (const row of rows) {
    if (bySeverity && row.severity !== before) {
      before = row.severity;
      lines.push({ kind: 'group', severity: before, count: matching[before] });
    }
    lines.push({ kind: 'line', row });
  }
  return lines;
}

/** `3 failing, 2 progressing`: what there is, in the order of its urgency. */
export function counted(tally: Tally): [Severity, number][] {
  return severities.map((one): [Severity, number] => [one, tally[one]]).filter(([, count]) => count > 0);
}
