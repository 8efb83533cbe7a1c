import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, cut, hunks, pairs, type Line } from '../src/lines.ts';
import { link, read, type Route } from '../src/route.ts';

const text = (lines: Line[]) =>
  lines.map(({ kind, pieces }) => {
    const sign = { same: ' ', removed: '-', added: '+' }[kind];
    return sign + pieces.map((piece) => (piece.differs ? `[${piece.text}]` : piece.text)).join('');
  });

test('a change has lines around it and is told by the words that differ', () => {
  const before = 'a: 1\nb: 2\nc: 3\nd: 4\nimage: web:1.2 # x\ne: 5\nf: 6\ng: 7\nh: 8\n';
  const found = hunks(before, before.replace('web:1.2', 'web:1.3'));
  assert.equal(found.length, 1);
  const [hunk] = found;
  assert.deepEqual(text(hunk?.lines ?? []), [
    ' b: 2',
    ' c: 3',
    ' d: 4',
    '-image: web:1.[2] # x',
    '+image: web:1.[3] # x',
    ' e: 5',
    ' f: 6',
    ' g: 7',
  ]);
  assert.deepEqual(count(found), { added: 1, removed: 1 });
  assert.deepEqual(
    hunk?.lines.map(({ before, after }) => [before, after]),
    [[2, 2], [3, 3], [4, 4], [5, undefined], [undefined, 5], [6, 6], [7, 7], [8, 8]],
  );
});

test('changes far from each other are two hunks, and near ones are one', () => {
  const lines = Array.from({ length: 30 }, (_, at) => `key-${at}: v`);
  const change = (...at: number[]) => lines.map((line, index) => (at.includes(index) ? `${line}2` : line)).join('\n');
  assert.equal(hunks(lines.join('\n'), change(2, 8)).length, 1);
  const found = hunks(lines.join('\n'), change(2, 20));
  assert.equal(found.length, 2);
  assert.equal(found.flatMap((hunk) => hunk.lines).filter((line) => line.kind !== 'same').length, 4);
});

test('a hunk is told by the fields around it', () => {
  const list = Array.from({ length: 6 }, (_, at) => `        - name: V${at}\n          value: a`).join('\n');
  const before = `kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - env:\n${list}\n`;
  const [hunk] = hunks(before, before.replace('V5', 'V6'));
  assert.equal(hunk?.place, 'spec.template.spec.containers.env');
});

test('an object that came or went is all lines of it, and equal texts have none', () => {
  assert.deepEqual(text(hunks(null, 'a: 1\nb: 2\n')[0]?.lines ?? []), ['+a: 1', '+b: 2']);
  assert.deepEqual(text(hunks('a: 1\n', null)[0]?.lines ?? []), ['-a: 1']);
  assert.deepEqual(hunks('a: 1\n', 'a: 1\n'), []);
  assert.deepEqual(hunks(null, null), []);
});

test('what is not shown at first comes with more, and nothing is lost', () => {
  const lines = Array.from({ length: 5000 }, (_, at) => `key-${at}: v`).join('\n');
  const found = hunks(null, lines);
  const shown = (most: number) => cut(found, most).flatMap((hunk) => hunk.lines).length;
  assert.deepEqual([shown(2000), shown(4000), shown(6000)], [2000, 4000, 5000]);
});

test('texts that have nothing in common are shown one after the other', () => {
  const lines = (word: string) => Array.from({ length: 6000 }, (_, at) => `${word}-${at}`).join('\n');
  const found = hunks(lines('a'), lines('b'));
  assert.deepEqual(count(found), { added: 6000, removed: 6000 });
});

test('side by side what went stands beside what came in its place', () => {
  const [hunk] = hunks('a: 1\nb: 2\nc: 3\n', 'a: 1\nb: 4\nx: 5\nc: 3\n');
  const shown = pairs(hunk?.lines ?? []).map(({ left, right }) => [
    left ? text([left])[0] : '',
    right ? text([right])[0] : '',
  ]);
  assert.deepEqual(shown, [
    [' a: 1', ' a: 1'],
    ['-b: [2]', '+b: [4]'],
    ['', '+x: 5'],
    [' c: 3', ' c: 3'],
  ]);
});

test('markup in a value is text', () => {
  const [hunk] = hunks('a: <b>x</b>\n', 'a: <i>x</i>\n');
  const lines = text(hunk?.lines ?? []);
  assert.ok(lines.every((line) => line.includes('<')), lines.join());
});

test('every comparison has an address that leads back to it', () => {
  const base = { page: 'application', namespace: 'shop', name: 'web', tab: 'diff' } as const;
  const routes: Route[] = [base, { ...base, given: { ref: 'refs/pull/7/head' } }, { ...base, given: { from: 'A', to: 'B' } }];
  for (const route of routes) assert.deepEqual(read(link(route)), route);
});
