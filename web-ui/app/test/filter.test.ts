import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, hasKey, terms, toggled } from '../src/filter.ts';

test('a text is cut into terms as the agent cuts it', () => {
  assert.deepEqual(terms(' web  -ns:pay* label:team="a b" "c d"'), ['web', '-ns:pay*', 'label:team="a b"', '"c d"']);
  assert.deepEqual(terms('a "b c'), ['a', '"b c']);
  assert.deepEqual(terms(''), []);
});

test('a term with a key is no word', () => {
  assert.deepEqual(['ns:pay', '-ns:pay', 'web', ':x', 'ns:', '"a:b"'].map(hasKey), [true, true, false, false, false, false]);
});

test('a term is put in once, and taken out without the others', () => {
  assert.equal(toggled('web', 'state:failing'), 'web state:failing');
  assert.equal(toggled('web state:failing ns:pay', 'state:failing'), 'web ns:pay');
  assert.equal(toggled('', 'drift:yes'), 'drift:yes');
});

test('the wrong part is cut out by characters', () => {
  assert.deepEqual(cut('🎉 colour:red x', { from: 2, to: 8 }), ['🎉 ', 'colour', ':red x']);
});
