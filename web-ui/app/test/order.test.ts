import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failingFirst, tally } from '../src/order.ts';
import { application } from './sample.ts';

const since = (time: string) => ({ ...application({}).why, since: time });

test('what fails comes first, what fails longest before that, what is well by name', () => {
  const items = [
    application({ name: 'b' }),
    application({ name: 'a', why: since('2026-02-01T00:00:00Z') }),
    application({ name: 'new', severity: 'failing', why: since('2026-01-03T00:00:00Z') }),
    application({ name: 'old', severity: 'failing', why: since('2026-01-02T00:00:00Z') }),
    application({ name: 'held', severity: 'waiting' }),
    application({ name: 'off', severity: 'suspended' }),
    application({ name: 'on-its-way', severity: 'progressing' }),
  ];
  const before = items.map((item) => item.name);
  assert.deepEqual(
    failingFirst(items).map((item) => item.name),
    ['old', 'new', 'held', 'on-its-way', 'off', 'a', 'b'],
  );
  assert.deepEqual(items.map((item) => item.name), before, 'the argument is left alone');
});

test('the tally counts in the same order and leaves out what is not there', () => {
  const items = [
    application({}),
    application({ severity: 'failing' }),
    application({ severity: 'failing' }),
  ];
  assert.deepEqual(tally(items), [
    ['failing', 2],
    ['healthy', 1],
  ]);
  assert.deepEqual(tally([]), []);
});
