import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failingFirst } from '../src/order.ts';
import { matchesImage, parseForImages } from '../src/search.ts';
import { isTag, pathOf, tagsPath } from '../src/tags.ts';
import { rule, verdict } from '../src/words.ts';
import { image } from './sample.ts';

const finds = (text: string, but: Parameters<typeof image>[0]) => matchesImage(image(but), parseForImages(text));

test('an image policy is found by its image, its tags and what is wrong with it', () => {
  assert.equal(finds('', {}), true);
  assert.equal(finds('ACME/web 2.4', {}), true);
  assert.equal(finds('newest', { select: 'newest build' }), true);
  assert.equal(finds('2.5', { chosen: '2.5.0' }), true);
  assert.equal(finds('2.5', { chosen: null, current: null }), false);
});

test('terms of an image policy are its state, namespace and repository, and others are said', () => {
  assert.equal(finds('state:healthy ns:sh*', {}), true);
  assert.equal(finds('state:uptodate', {}), true);
  assert.equal(finds('state:failing', {}), false);
  assert.equal(finds('repo:config', {}), true);
  assert.equal(finds('ns:', {}), true);
  assert.deepEqual(parseForImages('health:good').unknown, ['health:good']);
});

test('image policies are in the same order as applications', () => {
  const items = [image({ name: 'a' }), image({ name: 'z', severity: 'failing' }), image({ name: 'h', severity: 'waiting' })];
  assert.deepEqual(
    failingFirst(items).map(({ name }) => name),
    ['z', 'h', 'a'],
  );
});

test('only what can be a tag is asked about', () => {
  for (const tag of ['1.2.3', 'v1', '_x', 'a'.repeat(128), '20260101120000001', '1.2.3-rc.1']) {
    assert.equal(isTag(tag), true, tag);
  }
  for (const text of ['', '.a', '-a', 'a b', 'a/b', 'a:b', 'ä', '<b>', 'a'.repeat(129), '1.2+3']) {
    assert.equal(isTag(text), false, text);
  }
});

test('the path of a part of the tags says only what is asked for', () => {
  const path = pathOf('shop', 'web');
  assert.equal(tagsPath(path, '', '', 0), 'images/shop/web/tags');
  assert.equal(tagsPath(path, 'outside-range', '', 0), 'images/shop/web/tags?rule=outside-range');
  assert.equal(tagsPath(path, '', 'a&b=c', 200), 'images/shop/web/tags?search=a%26b%3Dc&from=200');
});

test('every verdict has a word and a shape of its own', () => {
  const looks = (['chosen', 'allowed', 'refused', 'pending'] as const).map(verdict);
  assert.equal(new Set(looks.map(({ word }) => word)).size, 4);
  assert.equal(new Set(looks.map(({ shape }) => shape)).size, 4);
  assert.equal(rule('outside-range'), 'outside range');
});
