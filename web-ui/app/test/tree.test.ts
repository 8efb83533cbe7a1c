import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceNode } from '../src/model.ts';
import { keyOf, rows, step, summary, type Folds } from '../src/tree.ts';

const closed: Folds = { chosen: new Map(), well: false, search: '' };

function node(kind: string, name: string, but: Partial<ResourceNode> = {}): ResourceNode {
  return {
    object: { group: '', kind, namespace: 'shop', name },
    parent: null,
    depth: 0,
    health: 'Healthy',
    healthMessage: '',
    sync: but.parent == null ? 'synced' : null,
    origin: null,
    created: null,
    deleting: false,
    ready: null,
    containers: [],
    ...but,
  };
}

const container = (name: string): ResourceNode['containers'][number] => ({
  name,
  image: `${name}:1`,
  init: false,
  ready: true,
  restarts: 0,
  state: 'running',
  reason: '',
  since: null,
  ranBefore: false,
});

/** A Deployment with a pod that fails, one that does not, and a Service. */
const shop: ResourceNode[] = [
  node('Deployment', 'web'),
  node('ReplicaSet', 'web-1', { parent: 0, depth: 1 }),
  node('Pod', 'web-1-a', { parent: 1, depth: 2, health: 'Degraded', containers: [container('web')] }),
  node('Pod', 'web-1-b', { parent: 1, depth: 2, containers: [container('web')] }),
  node('Service', 'web'),
];

const seen = (items: ResourceNode[], folds: Folds) =>
  rows(items, folds).map((row) => {
    const { what } = row;
    const name = what.is === 'object' ? what.node.object.name : what.is === 'container' ? `#${what.container.name}` : what.is === 'kind' ? what.kind : `${what.count} well`;
    return `${'  '.repeat(row.level - 1)}${name}`;
  });

test('what is not well is open down to its containers, and what is well is one row', () => {
  assert.deepEqual(seen(shop, closed), ['web', '  web-1', '    web-1-a', '      #web', '    web-1-b', '1 well']);
});

test('a person opens and closes what they want', () => {
  const chosen = new Map([
    [keyOf(shop[1]!), false],
    [keyOf(shop[4]!), true],
  ]);
  assert.deepEqual(seen(shop, { chosen, well: true, search: '' }), ['web', '  web-1', 'web']);
});

test('a search shows what it found with all that is above it', () => {
  assert.deepEqual(seen(shop, { ...closed, search: 'WEB-1-B' }), ['web', '  web-1', '    web-1-b']);
  assert.deepEqual(seen(shop, { ...closed, search: 'service' }), ['web']);
  assert.deepEqual(seen(shop, { ...closed, search: 'nothing' }), []);
});

test('an object that drifted is not well, whatever its health is', () => {
  const drifted = [node('ConfigMap', 'a', { sync: 'drifted' }), node('ConfigMap', 'b')];
  assert.deepEqual(seen(drifted, closed), ['a', '1 well']);
});

test('many objects are rows by kind, open where something is not well', () => {
  const many = Array.from({ length: 301 }, (_, n) => node(n < 200 ? 'ConfigMap' : 'Service', `n${n}`));
  many[250] = node('Service', 'n250', { health: 'Degraded' });
  const all = rows(many, { ...closed, well: true });
  assert.equal(all.length, 2 + 101);
  assert.deepEqual(
    all.filter((row) => row.level === 1).map((row) => [row.what.is === 'kind' && row.what.kind, row.open, row.of]),
    [
      ['ConfigMap', false, 2],
      ['Service', true, 2],
    ],
  );
  assert.ok(rows(many.slice(0, 300), { ...closed, well: true }).every((row) => row.what.is === 'object'));
});

test('places among siblings count containers and the folded row as well', () => {
  const all = rows(shop, closed);
  const places = all.map((row) => `${row.level}:${row.place}/${row.of}`);
  assert.deepEqual(places, ['1:1/2', '2:1/1', '3:1/2', '4:1/1', '3:2/2', '1:2/2']);
});

test('arrow keys walk the tree, open, close, and go to what is above', () => {
  const all = rows(shop, closed);
  assert.deepEqual(step(all, 0, 'ArrowDown', 10), { to: 1 });
  assert.deepEqual(step(all, 0, 'ArrowUp', 10), { to: 0 });
  assert.deepEqual(step(all, 0, 'ArrowRight', 10), { to: 1 }, 'an open row leads to its first child');
  assert.deepEqual(step(all, 0, 'ArrowLeft', 10), { set: keyOf(shop[0]!), open: false });
  assert.deepEqual(step(all, 3, 'ArrowLeft', 10), { to: 2 }, 'a leaf leads to what it is below');
  assert.deepEqual(step(all, 4, 'ArrowRight', 10), { set: keyOf(shop[3]!), open: true });
  assert.deepEqual(step(all, 0, 'End', 10), { to: 5 });
  assert.deepEqual(step(all, 5, 'Home', 10), { to: 0 });
  assert.deepEqual(step(all, 1, 'PageDown', 10), { to: 5 });
  assert.deepEqual(step(all, 5, 'ArrowRight', 10), { set: 'well', open: true });
  assert.equal(step(all, 0, 'x', 10), undefined);
  assert.equal(step([], 0, 'ArrowDown', 10), undefined);
});

test('1,500 objects become a row each', () => {
  const many: ResourceNode[] = [];
  for (let n = 0; n < 500; n += 1) {
    const root = many.push(node('Deployment', `d${n}`)) - 1;
    const set = many.push(node('ReplicaSet', `r${n}`, { parent: root, depth: 1 })) - 1;
    many.push(node('Pod', `p${n}`, { parent: set, depth: 2, health: 'Progressing' }));
  }
  assert.equal(rows(many, closed).length, 1 + 1500);
});

test('the summary says what stands out and leaves out what is not there', () => {
  assert.equal(summary([node('Service', 'a')]), '1 object from Git');
  const items = [node('Deployment', 'a', { health: 'Degraded', sync: 'drifted' }), node('Pod', 'b', { parent: 0, depth: 1 })];
  assert.equal(summary(items), '1 object from Git, 1 failing, 1 drifted, 1 below them');
});
