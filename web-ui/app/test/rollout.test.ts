import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hook, Rollout } from '../src/model.ts';
import { stations } from '../src/rollout.ts';
import { ahead, length } from '../src/time.ts';

function hook(moment: Hook['moment'], state: Hook['state']): Hook {
  const object = { group: 'batch', kind: 'Job', namespace: 'shop', name: moment };
  return { moment, state, object, startedAt: null, finishedAt: null, message: '' };
}

function rollout(but: Partial<Rollout>): Rollout {
  return {
    commit: '0123456789012345678901234567890123456789',
    startedAt: '2026-01-01T00:00:00Z',
    since: '2026-01-01T00:00:00Z',
    phase: 'waves',
    wave: 0,
    position: 2,
    waves: 3,
    hooks: [],
    pauses: [],
    failure: null,
    revert: null,
    ...but,
  };
}

const told = (but: Partial<Rollout>) => stations(rollout(but)).map(({ name, state }) => `${name}: ${state}`);

test('what is behind is done, what is ahead comes, and hooks that are not there are no station', () => {
  assert.deepEqual(told({ hooks: [hook('before', 'succeeded')] }), [
    'before hooks: done',
    'waves: here',
    'prune: comes',
    'all healthy: comes',
  ]);
  assert.equal(stations(rollout({}))[0]?.note, 'wave 0 (2 of 3)');
});

test('a rollout that failed says at which station', () => {
  assert.deepEqual(told({ phase: 'failed', hooks: [hook('before', 'failed')] })[0], 'before hooks: failed');
  const after = [hook('before', 'succeeded'), hook('after', 'failed')];
  assert.deepEqual(told({ phase: 'failed', hooks: after }).slice(-2), ['all healthy: done', 'after hooks: failed']);
  assert.deepEqual(told({ phase: 'failing' })[0], 'waves: failed');
});

test('a rollout that is done has no station left', () => {
  assert.ok(told({ phase: 'done' }).every((station) => station.endsWith(': done')));
});

test('a length is told in at most two units, a time to come in one', () => {
  assert.equal(length(5_400), '1h 30m');
  assert.equal(length(0), '0s');
  assert.equal(length(90_061), '1d 1h');
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(ahead('2026-01-01T00:10:00Z', now), '10m');
  assert.equal(ahead('2025-12-31T00:00:00Z', now), '0s');
});
