import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, joined, lines } from '../src/list.ts';
import type { ApplicationList, ApplicationRow } from '../src/model.ts';

const tally = { total: 3, failing: 1, waiting: 0, progressing: 0, suspended: 0, healthy: 2, drifted: 0, updates: 0 };

function row(name: string, but: Partial<ApplicationRow> = {}): ApplicationRow {
  return { namespace: 'shop', name, severity: 'healthy', health: 'Healthy', reason: 'Synced', ...but };
}

function part(items: ApplicationRow[], but: Partial<ApplicationList> = {}): ApplicationList {
  return {
    items,
    commits: [{ id: '0123456789', subject: 'Raise the limit', author: 'Ada Osei', time: '2026-01-01T00:00:00Z' }],
    reasons: { Synced: { class: 'good', sentence: 'All is well' } },
    matching: tally,
    all: tally,
    ...but,
  };
}

test('lines name the commit and the reason that the answer tells once', () => {
  const known = joined([part([row('web', { commit: 0 }), row('api')])]);
  assert.equal(known?.rows[0]?.commit?.subject, 'Raise the limit');
  assert.equal(known?.rows[1]?.commit, undefined);
  assert.equal(known?.rows[0]?.why?.sentence, 'All is well');
  assert.equal(known?.rows[0]?.key, 'shop/web');
});

test('one that moved from one part into the next is shown once, where it is now', () => {
  const known = joined([part([row('a'), row('b')], { next: 'x' }), part([row('a'), row('c')])]);
  assert.deepEqual(known?.rows.map(({ name }) => name), ['b', 'a', 'c']);
  assert.equal(known?.next, undefined);
  assert.equal(joined([]), undefined);
});

test('each severity has a head with the count of all parts', () => {
  const known = joined([part([row('x', { severity: 'failing' }), row('a'), row('b')], { next: 'more' })]);
  assert.ok(known);
  const heads = lines({ ...known, matching: { ...tally, healthy: 40 } }, true);
  assert.deepEqual(
    heads.map((line) => (line.kind === 'group' ? `${line.count} ${line.severity}` : line.row.name)),
    ['1 failing', 'x', '40 healthy', 'a', 'b'],
  );
  assert.equal(lines(known, false).length, 3);
});

test('what is not there is not counted', () => {
  assert.deepEqual(counted(tally), [
    ['failing', 1],
    ['healthy', 2],
  ]);
});
