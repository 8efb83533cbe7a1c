import assert from 'node:assert/strict';
import { test } from 'node:test';
import { link, read, type Route } from '../src/route.ts';
import { ago, between, duration, utc } from '../src/time.ts';
import { action, changed, counts, isLong, planned, spaced } from '../src/words.ts';

test('an age has one unit and never lies in the future', () => {
  const now = Date.parse('2026-01-10T12:00:00Z');
  const cases: [string, string][] = [
    ['2026-01-10T12:00:05Z', '0s'],
    ['2026-01-10T11:59:01Z', '59s'],
    ['2026-01-10T11:59:00Z', '1m'],
    ['2026-01-10T11:00:01Z', '59m'],
    ['2026-01-10T11:00:00Z', '1h'],
    ['2026-01-08T12:00:01Z', '47h'],
    ['2026-01-08T12:00:00Z', '2d'],
  ];
  for (const [time, text] of cases) assert.equal(ago(time, now), text, time);
});

test('a duration has the unit that suits it', () => {
  const cases: [number, string][] = [
    [0, '0 µs'],
    [840, '840 µs'],
    [2310, '2.3 ms'],
    [71_400, '71 ms'],
    [999_600, '1.0 s'],
    [1_400_000, '1.4 s'],
    [59_990_000, '1m 00s'],
    [123_000_000, '2m 03s'],
  ];
  for (const [micros, text] of cases) assert.equal(duration(micros), text, String(micros));
  assert.equal(between('2026-01-10T12:00:00.100Z', '2026-01-10T12:00:00.230Z'), 130_000);
});

test('UTC is said with its name', () => {
  assert.equal(utc('2026-01-10T12:00:05.123Z'), '2026-01-10 12:00:05 UTC');
});

test('every page has an address that leads back to it', () => {
  const routes: Route[] = [
    { page: 'applications', query: '' },
    { page: 'applications', query: 'health:degraded ns:pay* a/b?c&d' },
    { page: 'application', namespace: 'shop', name: 'a.b-c' },
    { page: 'application', namespace: 'shop', name: 'web', tab: 'timeline' },
    { page: 'application', namespace: 'shop', name: 'web', tab: 'diff', given: { from: 'a&b', to: 'c/d' } },
    { page: 'sync', id: '01JD4Z7Q2M8X5T3V9W6Y1B0C4D' },
    { page: 'images', query: '' },
    { page: 'images', query: 'state:failing 1.x' },
    { page: 'image', namespace: 'shop', name: 'a.b-c', rule: '', query: '' },
    { page: 'image', namespace: 'shop', name: 'web', rule: 'outside-range', query: '1.2&rule=x' },
    { page: 'repositories' },
  ];
  for (const route of routes) assert.deepEqual(read(link(route)), route);
});

test('an address that means nothing is no error', () => {
  for (const hash of ['#/nowhere', '#/applications/only', '#/images/only', '#/images/a/b/c', '#/syncs/a/b', '#/applications/%E0%A4%A/x/y/z']) {
    assert.deepEqual(read(hash), { page: 'nowhere' }, hash);
  }
});

test('counts say what happened, and when nothing did', () => {
  const none = { created: 0, updated: 0, pruned: 0, skipped: 0, failed: 0, unchanged: 5, drifted: 0 };
  assert.equal(counts(none), 'nothing to do');
  assert.equal(counts({ ...none, updated: 2, pruned: 1, failed: 1 }), '1 failed, 2 updated, 1 pruned');
});

test('an action that failed never reads as done', () => {
  const why = { reason: 'Denied', class: 'denied', sentence: '', detail: '', remedy: '' } as const;
  assert.equal(action('update', null).word, 'updated');
  assert.equal(action('update', why).word, 'update failed');
  assert.equal(action('prune', why).tone, 'bad');
});

test('a change says whether the field came, went or is another', () => {
  assert.equal(changed({ path: 'a', before: '1', after: '2' }), 'from');
  assert.equal(changed({ path: 'a', after: '2' }), 'added:');
  assert.equal(changed({ path: 'a', before: '1', after: null }), 'removed:');
  // What is empty is still a value.
  assert.equal(changed({ path: 'a', before: '""', after: '0' }), 'from');
});

test('many changes, and long ones, are folded', () => {
  const change = { path: 'spec.replicas', before: '1', after: '2' };
  assert.equal(isLong([]), false);
  assert.equal(isLong(Array(5).fill(change)), false);
  assert.equal(isLong(Array(6).fill(change)), true);
  assert.equal(isLong([{ ...change, after: 'x'.repeat(601) }]), true);
});

test('names of reasons are read as words', () => {
  assert.equal(spaced('YamlSyntax'), 'Yaml syntax');
  assert.equal(spaced('Synced'), 'Synced');
});

test('a plan is told by what it would do', () => {
  const none = { create: 0, update: 0, prune: 0, hooks: 0 };
  assert.equal(planned(none), 'nothing to do');
  assert.equal(planned({ ...none, create: 1, prune: 2, hooks: 1 }), '1 to create, 2 to prune, 1 hook to run');
});
