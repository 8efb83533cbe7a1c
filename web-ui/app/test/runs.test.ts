// What is told of a sync: its steps, where it stopped, its commits.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { SyncDetail } from '../src/model.ts';
import { author, range, steps } from '../src/runs.ts';

const old = 'a'.repeat(40);
const commit = 'b'.repeat(40);

function detail(change: Partial<SyncDetail> & { result?: SyncDetail['summary']['result'] }): SyncDetail {
  const { result = 'succeeded', ...rest } = change;
  const counts = { created: 0, updated: 0, pruned: 0, skipped: 0, failed: 0, unchanged: 0, drifted: 0 };
  return {
    summary: {
      id: '01JD4Z7Q2M8X5T3V9W6Y1B0C4D',
      namespace: 'shop',
      application: 'web',
      cause: 'webhook',
      result,
      revision: { branch: 'main', commit },
      commit: { id: commit, subject: 'Raise the limit', author: 'Mia', time: '2026-11-21T10:00:00Z' },
      previous: old,
      queuedAt: '2026-11-21T10:00:01Z',
      startedAt: '2026-11-21T10:00:01Z',
      counts,
    },
    steps: ['look', 'fetch', 'render', 'read', 'plan', 'apply', 'prune'].map((name) => ({ name, micros: 100 })),
    outcomes: [],
    drift: [],
    ...rest,
  };
}

const why = { reason: 'Denied', class: 'denied', sentence: 'It may not', detail: '', remedy: '' } as const;

function outcome(action: SyncDetail['outcomes'][number]['action']): SyncDetail['outcomes'][number] {
  const object = { group: '', version: 'v1', kind: 'Service', namespace: 'shop', name: 'web' };
  return { object, action, failure: why, note: '', changes: [] };
}

function states(of: SyncDetail): Record<string, string> {
  return Object.fromEntries(steps(of).map(({ name, state }) => [name, state]));
}

test('steps follow each other and fill the whole', () => {
  const rows = steps(detail({}));
  assert.equal(rows.length, 7);
  assert.equal(rows[0]?.from, 0);
  rows.slice(1).forEach((row, at) => {
    const before = rows[at];
    assert.ok(before && Math.abs(before.from + before.share - row.from) < 0.001);
  });
  const last = rows.at(-1);
  assert.ok(last && Math.abs(last.from + last.share - 100) < 0.001);
  assert.ok(rows.every(({ state }) => state === 'done'));
});

test('a sync that stopped says at which step, which has no duration', () => {
  const rows = steps(detail({ result: 'failed', steps: [{ name: 'look', micros: 5 }, { name: 'fetch', micros: 5 }] }));
  assert.deepEqual(rows.at(-1), { name: 'render', micros: null, from: 100, share: 0, state: 'failed' });
});

test('a sync that runs is at the step after the last one that ended', () => {
  const rows = steps(detail({ result: 'running', steps: [] }));
  assert.deepEqual(rows, [{ name: 'look', micros: null, from: 0, share: 0, state: 'busy' }]);
});

test('what failed of an object is failed at the step that did it, and no other', () => {
  const applied = states(detail({ result: 'failed', outcomes: [outcome('update')] }));
  assert.equal(applied['apply'], 'failed');
  assert.equal(applied['prune'], 'done');
  const pruned = states(detail({ result: 'failed', outcomes: [outcome('prune')] }));
  assert.equal(pruned['prune'], 'failed');
  assert.equal(pruned['apply'], 'done');
});

test('what was left alone is held by the plan, which is no failure', () => {
  const held = states(detail({ result: 'held', outcomes: [outcome('skip')] }));
  assert.equal(held['plan'], 'held');
  assert.ok(!Object.values(held).includes('failed'));
});

test('a range has two ends only where a commit was brought, and then somebody wrote it', () => {
  const { summary } = detail({});
  assert.deepEqual(range(summary), { old, new: commit });
  assert.equal(author(summary), 'Mia');
  const again = { ...summary, previous: commit };
  assert.deepEqual(range(again), { old: null, new: commit });
  assert.equal(author(again), '');
  assert.equal(range({ ...summary, revision: null }), null);
});
