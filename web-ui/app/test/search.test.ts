import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesImage, parseForImages } from '../src/search.ts';
import { image } from './sample.ts';

const finds = (text: string, ...args: Parameters<typeof image>) => matchesImage(image(...args), parseForImages(text));

test('an empty search finds everything', () => {
  assert.equal(finds('', {}), true);
  assert.equal(finds('   ', {}), true);
});

test('terms compare whole values, a star at the end opens them', () => {
  const item = { namespace: 'payments', severity: 'failing' } as const;
  assert.equal(finds('state:failing', item), true);
  assert.equal(finds('state:fail', item), false);
  assert.equal(finds('ns:pay', item), false);
  assert.equal(finds('ns:pay*', item), true);
  assert.equal(finds('state:failing ns:shop', item), false);
});

test('a term that is still being typed hides nothing', () => {
  assert.equal(finds('state:', {}), true);
});

test('a term that is not known is said, not ignored in silence', () => {
  assert.deepEqual(parseForImages('web color:red'), { words: ['web'], terms: [], unknown: ['color:red'] });
});

test('a colon at the start is a word', () => {
  assert.deepEqual(parseForImages(':x').words, [':x']);
});
