import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as actions from '../src/actions.ts';
import type { Sync } from '../src/model.ts';

const of = (action: string) => {
  const kind = actions.kind('application', action);
  assert.ok(kind, action);
  return kind;
};

test('a dialog is complete when what has to be said is said', () => {
  const fields = actions.nothing();
  assert.equal(actions.isComplete(of('resume'), fields), true);
  assert.equal(actions.isComplete(of('suspend'), fields), false);
  assert.equal(actions.isComplete(of('suspend'), { ...fields, reason: '  ' }), false);
  assert.equal(actions.isComplete(of('suspend'), { ...fields, reason: 'incident 7' }), true);
  assert.equal(actions.isComplete(of('pin'), { ...fields, reason: 'stay' }), false);
});

test('the body says what was filled in and nothing else', () => {
  const fields = { ...actions.nothing(), reason: ' incident 7 ', tag: 'left over' };
  assert.deepEqual(actions.body('suspend', of('suspend'), fields), { action: 'suspend', reason: 'incident 7' });
  const until = { ...fields, until: '2026-12-01T18:00', force: 'yes' };
  assert.deepEqual(actions.body('suspend', of('suspend'), until), {
    action: 'suspend',
    reason: 'incident 7',
    until: new Date('2026-12-01T18:00').toISOString(),
    force: true,
  });
  assert.deepEqual(actions.body('approve', of('approve'), fields, 'ab12'), { action: 'approve', plan: 'ab12' });
  assert.deepEqual(actions.body('suspend', of('suspend'), { ...fields, until: 'tomorrow' }), {
    action: 'suspend',
    reason: 'incident 7',
  });
});

test('a length of time becomes a moment of the local clock', () => {
  const noon = new Date('2026-12-31T23:30').getTime();
  assert.equal(actions.later(1, noon), '2027-01-01T00:30');
});

test('a rollback goes back to a good sync of another commit, each commit once', () => {
  const sync = (id: string, result: string, commit?: string) =>
    ({ id, result, revision: commit ? { branch: 'main', commit } : null }) as unknown as Sync;
  const all = [
    sync('6', 'succeeded', 'c3'),
    sync('5', 'failed', 'c2'),
    sync('4', 'succeeded', 'c1'),
    sync('3', 'succeeded', 'c1'),
    sync('2', 'running'),
    sync('1', 'succeeded', 'c0'),
  ];
  assert.deepEqual(
    actions.goodSyncs(all, 'c3').map(({ id }) => id),
    ['4', '1'],
  );
  assert.equal(actions.goodSyncs(all, undefined).length, 3);
});

test('the command shows the reason that is being typed, and runs nothing that it says', () => {
  const command = "syncline rollback shop/web --to 4c1d9ab --reason 'why'";
  assert.equal(actions.withReason(command, "it's $(id)"), String.raw`syncline rollback shop/web --to 4c1d9ab --reason 'it'\''s $(id)'`);
  assert.equal(actions.withReason(command, ' '), 'syncline rollback shop/web --to 4c1d9ab --reason why');
  assert.equal(actions.withReason('syncline resume shop/web', 'x'), 'syncline resume shop/web');
});

test('the row has what is needed now and the rest is behind it', () => {
  const allowed = (whyNot: Record<string, string>) =>
    ['sync', 'refresh', 'approve', 'abort', 'rollback', 'suspend', 'resume', 'pin', 'unpin'].map((action) => ({
      action,
      whyNot: whyNot[action] ?? null,
    }));
  const calm = actions.inTheRow('application', allowed({ resume: 'it is not suspended', abort: 'nothing runs' }));
  assert.deepEqual(calm, ['sync', 'refresh', 'rollback', 'suspend']);
  const busy = actions.inTheRow('application', allowed({ resume: 'it is not suspended' }));
  assert.ok(busy.includes('abort'));
  const suspended = actions.inTheRow('application', allowed({ sync: 'suspended', abort: 'nothing runs' }));
  assert.deepEqual(suspended, ['sync', 'refresh', 'rollback', 'resume']);
});

test('every action of the API has its words', () => {
  for (const action of ['sync', 'refresh', 'approve', 'abort', 'rollback', 'suspend', 'resume', 'pin', 'unpin']) {
    assert.ok(actions.kind('application', action), action);
  }
  for (const action of ['refresh', 'skip', 'release', 'pin', 'unpin']) assert.ok(actions.kind('image', action), action);
  assert.ok(actions.kind('agent', 'freeze') && actions.kind('agent', 'unfreeze'));
  assert.equal(actions.kind('agent', 'toString'), undefined);
});

test('a sentence of the agent stands alone', () => {
  assert.equal(actions.sentence('no plan waits'), 'No plan waits.');
  assert.equal(actions.sentence('`1.9.0` is held'), '`1.9.0` is held.');
});

test('each call has a name of its own', () => {
  const keys = new Set(Array.from({ length: 100 }, () => actions.newKey()));
  assert.equal(keys.size, 100);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
