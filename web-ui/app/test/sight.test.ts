import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSight, part, tops } from '../src/sight.ts';

const heights = { line: 50, group: 20 };
const list = ['group', ...Array<'line'>(100).fill('line'), 'group', ...Array<'line'>(100).fill('line')] as const;

test('a line begins where those before it end', () => {
  const places = tops(list, heights);
  assert.equal(places.length, list.length + 1);
  assert.deepEqual(places.slice(0, 4), [0, 20, 70, 120]);
  assert.equal(places.at(-1), 200 * 50 + 40);
});

test('what is in sight is drawn, with some around it, and nothing else', () => {
  const places = tops(list, heights);
  assert.deepEqual(inSight(places, 0, 500, 0), [0, 11]);
  assert.deepEqual(inSight(places, 1020, 1520, 3), [18, 35]);
  for (let top = -300; top < 11_000; top += 37) {
    const [first, end] = inSight(places, top, top + 500, 0);
    assert.ok(first <= end && end - first < 14, `${first} to ${end}`);
    for (let at = 0; at < list.length; at += 1) {
      const inside = (places[at + 1] ?? 0) > top && (places[at] ?? 0) <= top + 500;
      assert.ok(!inside || (at >= first && at < end), `${at} at ${top}`);
    }
  }
});

test('before and after the list nothing breaks', () => {
  const places = tops(list, heights);
  assert.deepEqual(inSight(places, -900, -400, 2)[0], 0);
  const [first, end] = inSight(places, 1e6, 1e6 + 500, 2);
  assert.ok(first <= end && end === list.length);
  assert.deepEqual(inSight(tops([], heights), 0, 500, 5), [0, 0]);
});

test('a short list of equal lines is drawn whole', () => {
  assert.deepEqual(part(200, 30, 5000, 600), { from: 0, to: 200, above: 0, below: 0 });
});

test('of a long list what can be seen is drawn, and the rest takes the room that it would take', () => {
  const middle = part(1500, 30, 6000, 600, 10);
  assert.deepEqual([middle.from, middle.to], [190, 230]);
  assert.equal(middle.above + (middle.to - middle.from) * 30 + middle.below, 1500 * 30);
  assert.deepEqual(part(1500, 30, -300, 600, 10), { from: 0, to: 20, above: 0, below: 1480 * 30 });
  const end = part(1500, 30, 1500 * 30, 600, 10);
  assert.deepEqual([end.from, end.to, end.below], [1490, 1500, 0]);
  const beyond = part(1500, 30, 99_999, 600, 10);
  assert.deepEqual([beyond.from, beyond.to], [1500, 1500]);
});
