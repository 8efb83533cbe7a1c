import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { exportPath, known, listPath, toggled } from '../src/calls.ts';
import { circleInWords, curve, fitting, lines } from '../src/graph.ts';
import type { DependencyGraph, DrawnApplication, DrawnNeed } from '../src/model.ts';
import { pending } from '../src/pending.ts';
import { link, read } from '../src/route.ts';
import * as words from '../src/words.ts';
import { image } from './sample.ts';

test('the filters of the activity page are in its address, and nothing else is asked for', () => {
  const given = known({ actor: 'mia', action: '', target: 'shop/web', other: 'x' });
  deepEqual(given, { actor: 'mia', target: 'shop/web' });
  equal(listPath(given), 'audit?actor=mia&target=shop%2Fweb');
  equal(listPath({}), 'audit');
  equal(exportPath({ actor: 'a&b' }, 'csv'), 'api/v1/audit/export?format=csv&actor=a%26b');
});

test('a filter that is chosen again is taken away', () => {
  deepEqual(toggled({ actor: 'mia' }, 'action', 'sync'), { actor: 'mia', action: 'sync' });
  deepEqual(toggled({ actor: 'mia', action: 'sync' }, 'actor', 'mia'), { action: 'sync' });
  deepEqual(toggled({ actor: 'mia' }, 'actor', 'tom'), { actor: 'tom' });
});

test('each of these pages has an address that names it again', () => {
  for (const address of [
    '#/webhooks',
    '#/webhooks?verdict=rejected',
    '#/activity',
    '#/activity?actor=mia&action=sync',
    '#/drift',
    '#/repositories/shop/config',
    '#/dependencies',
    '#/dependencies/shop/web',
  ]) {
    equal(link(read(address)), address);
  }
  equal(read('#/dependencies/shop').page, 'nowhere');
  equal(read('#/drift/now').page, 'nowhere');
});

test('every verdict of a delivery has a word and a shape of its own', () => {
  const verdicts = ['accepted', 'ignored', 'duplicate', 'rejected', 'refused'] as const;
  const looks = verdicts.map(words.delivery);
  equal(new Set(looks.map(({ word }) => word)).size, verdicts.length);
  equal(new Set(looks.map(({ shape }) => shape)).size, verdicts.length);
});

const box = (name: string, but: Partial<DrawnApplication> = {}): DrawnApplication => ({
  namespace: 'shop',
  name,
  x: 0,
  y: 0,
  severity: 'healthy',
  why: null,
  blocked: false,
  inCircle: false,
  ...but,
});

const need = (from: number, to: number): DrawnNeed => ({
  from,
  to,
  points: [],
  blocks: false,
  closesCircle: false,
  why: '',
});

test('the list of dependencies says what the drawing says, who waits first', () => {
  const graph: DependencyGraph = {
    applications: [box('api'), box('db'), box('web', { blocked: true }), box('x', { inCircle: true })],
    needs: [need(0, 1), need(2, 0), need(2, 1), need(3, 3), need(9, 0)],
    circles: [],
    width: 0,
    height: 0,
    boxWidth: 1,
    boxHeight: 1,
    leftOut: 0,
    without: 0,
  };
  const found = lines(graph);
  deepEqual(found.map(({ application }) => application.name), ['x', 'web', 'api', 'db']);
  deepEqual(found[1]?.needs.map(({ application }) => application.name), ['api', 'db']);
  deepEqual(found[3]?.neededBy.map(({ name }) => name), ['api', 'web']);
});

test('a line goes through all its points, and a long name is cut off', () => {
  equal(curve([]), '');
  equal(curve([{ x: 0, y: 0 }, { x: 10, y: 4 }]), 'M0 0 C5 0 5 4 10 4');
  equal(fitting('web', 5), 'web');
  equal(fitting('a-long-name', 5), 'a-lo…');
  equal(circleInWords(['a', 'b', 'a'].map((name) => ({ namespace: 'shop', name }))), 'a → b → a');
});

test('an update is pending while another tag is chosen than Git names', () => {
  const items = [
    image({ name: 'behind', current: '1.0.0', chosen: '1.1.0' }),
    image({ name: 'done', current: '1.1.0', chosen: '1.1.0' }),
    image({ name: 'unread', current: '1.1.0', chosen: null }),
    image({ name: 'nowhere', current: null, chosen: '1.1.0' }),
  ];
  deepEqual(pending(items).map(({ name }) => name), ['behind']);
});
