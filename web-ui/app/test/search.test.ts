import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, parse } from '../src/search.ts';
import { application } from './sample.ts';

const finds = (text: string, ...args: Parameters<typeof application>) =>
  matches(application(...args), parse(text));

test('an empty search finds everything', () => {
  assert.equal(finds('', {}), true);
  assert.equal(finds('   ', {}), true);
});

test('every word must be found, in whatever is said of the application', () => {
  const item = { name: 'payments', namespace: 'pay', images: ['registry.example.com/api:1.9.0'] };
  assert.equal(finds('PAYMENTS', item), true);
  assert.equal(finds('ada limit', item), true);
  assert.equal(finds('ada 1.9', item), true);
  assert.equal(finds('ada nothing', item), false);
});

test('terms compare whole values, a star at the end opens them', () => {
  const item = { namespace: 'payments', health: 'Degraded', severity: 'failing' } as const;
  assert.equal(finds('health:degraded', item), true);
  assert.equal(finds('health:degr', item), false);
  assert.equal(finds('ns:pay', item), false);
  assert.equal(finds('ns:pay*', item), true);
  assert.equal(finds('state:failing ns:shop', item), false);
  assert.equal(finds('state:synced', item), true);
  assert.equal(finds('rev:0123', item), true);
  assert.equal(finds('rev:123', item), false);
});

test('a term that is still being typed hides nothing', () => {
  assert.equal(finds('health:', {}), true);
});

test('a term that is not known is said, not ignored in silence', () => {
  assert.deepEqual(parse('web color:red'), { words: ['web'], terms: [], unknown: ['color:red'] });
});

test('a colon at the start is a word', () => {
  assert.deepEqual(parse(':x').words, [':x']);
});

test('what keeps an application back is found by its state and by what it waits for', () => {
  const item = { holds: ['pinned', 'blocked'], waitingFor: ['Application shop/search'] } as const;
  const waits = { holds: [...item.holds], waitingFor: [...item.waitingFor] };
  assert.equal(finds('state:pinned', waits), true);
  assert.equal(finds('state:frozen', waits), false);
  assert.equal(finds('waits:shop/search', waits), true);
  assert.equal(finds('waits:ledger', waits), false);
});
