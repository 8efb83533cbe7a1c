import assert from 'node:assert/strict';
import { test } from 'node:test';

// The module reads what is stored as soon as it is there.
const stored = new Map<string, string>();
Object.assign(globalThis, {
  window: {
    addEventListener: () => undefined,
    localStorage: {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    },
  },
});
const { parse, remove, save, views, withView } = await import('../src/saved.ts');

const view = (name: string, query = 'state:failing') => ({ name, query, sort: '' });

test('a view is kept by its name, and one of the same name is replaced', () => {
  save(view('Payments'));
  save(view('Failing'));
  save(view('Payments', 'ns:pay*'));
  assert.deepEqual(views.value.map(({ name }) => name), ['Failing', 'Payments']);
  assert.equal(parse([...stored.values()][0] ?? null)[1]?.query, 'ns:pay*');
  remove('Payments');
  assert.deepEqual(views.value.map(({ name }) => name), ['Failing']);
});

test('what is stored and is no view is left out', () => {
  assert.deepEqual(parse(null), []);
  assert.deepEqual(parse('no json'), []);
  assert.deepEqual(parse('{"name":"x"}'), []);
  assert.deepEqual(parse(JSON.stringify([1, null, { name: 'x' }, view('y')])), [view('y')]);
});

test('there is an end to it', () => {
  let all = [view('a')];
  for (let number = 0; number < 80; number += 1) all = withView(all, view(`v${number}`));
  assert.equal(all.length, 50);
});
