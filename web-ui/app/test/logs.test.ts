import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiled, levelOf, read, Ring, Splitter, text, type Filter } from '../src/logs.ts';
import type { LogLine } from '../src/model.ts';

const line = (said: string, time: string | null = null, container = 'web'): LogLine => ({ pod: 'web-1', container, time, text: said });
const texts = (ring: Ring) => ring.all().map((one) => one.text);

test('chunks become whole lines, wherever they were cut', () => {
  const splitter = new Splitter();
  assert.deepEqual(splitter.take('{"a":'), []);
  assert.deepEqual(splitter.take('1}\n\n{"b":2}\n{"c'), ['{"a":1}', '{"b":2}']);
  assert.deepEqual(splitter.take('":3}\n'), ['{"c":3}']);
  assert.equal(read('not json'), undefined);
});

test('the level of a line is found in the forms that programs write, and not in its words', () => {
  const cases: [string, string | undefined][] = [
    ['{"level":"error","msg":"x"}', 'error'],
    ['time=now level=warn msg=x', 'warning'],
    ['{"severity": "INFO"}', 'info'],
    ['2026-11-21 10:00:00 [ERROR] x', 'error'],
    ['2026-11-21T10:00:00Z DEBUG x', 'debug'],
    ['E1121 10:00:00.000000 1 main.go:1] x', 'error'],
    ['W1121 10:00:00.000000 1 main.go:1] x', 'warning'],
    ['panic: runtime error', 'error'],
    ['warning: old', 'warning'],
    ['no error was found', undefined],
    ['Error handling is on', undefined],
    ['GET /errors 200', undefined],
    ['', undefined],
  ];
  for (const [said, level] of cases) assert.equal(levelOf(said), level, said);
});

test('the lines of a stack trace have the level of what they explain, each container for itself', () => {
  const ring = new Ring();
  ring.add([line('ERROR boom'), line('INFO fine', null, 'side'), line('    at a.js:1'), line('  more', null, 'side'), line('plain')]);
  assert.deepEqual(
    ring.all().map((one) => one.level),
    ['error', 'info', 'error', 'info', undefined],
  );
});

test('lines of several containers stand in the order of their times', () => {
  const ring = new Ring();
  ring.add([line('a1', '2026-01-01T00:00:01Z'), line('a3', '2026-01-01T00:00:03Z')]);
  ring.add([line('b2', '2026-01-01T00:00:02Z', 'side'), line('b0', '2026-01-01T00:00:00Z', 'side'), line('b3', '2026-01-01T00:00:03Z', 'side')]);
  assert.deepEqual(texts(ring), ['b0', 'a1', 'b2', 'a3', 'b3']);
  assert.equal(new Set(ring.all().map((one) => one.number)).size, 5);
});

test('the oldest lines go when there are more than are kept, and it is said how many', () => {
  const ring = new Ring(3);
  ring.add([line('1'), line('2')]);
  ring.add([line('3'), line('4'), line('5')]);
  assert.deepEqual(texts(ring), ['3', '4', '5']);
  assert.equal(ring.dropped, 2);
  ring.clear();
  assert.deepEqual([ring.all().length, ring.dropped], [0, 0]);
});

test('a filter leaves lines by level and by expression, and says what is wrong with an expression', () => {
  const ring = new Ring();
  ring.add([line('ERROR disk full'), line('WARN disk slow'), line('INFO disk fine'), line('disk')]);
  const left = (filter: Filter) => {
    const made = compiled(filter);
    assert.ok('fits' in made, JSON.stringify(made));
    return ring.all().filter(made.fits).map((one) => one.text);
  };
  assert.equal(left({ level: '', pattern: '' }).length, 4);
  assert.deepEqual(left({ level: 'warning', pattern: '' }), ['ERROR disk full', 'WARN disk slow']);
  assert.deepEqual(left({ level: '', pattern: 'DISK (full|fine)$' }), ['ERROR disk full', 'INFO disk fine']);
  assert.deepEqual(left({ level: 'error', pattern: 'slow' }), []);
  const wrong = compiled({ level: '', pattern: '(' });
  assert.ok('wrong' in wrong && wrong.wrong.length > 0);
});

test('a file has the time and the container before each line', () => {
  const ring = new Ring();
  ring.add([line('a', '2026-01-01T00:00:01Z'), line('b')]);
  assert.equal(text(ring.all()), '2026-01-01T00:00:01Z web-1/web a\nweb-1/web b\n');
});
