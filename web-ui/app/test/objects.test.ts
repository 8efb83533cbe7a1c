import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceContainer } from '../src/model.ts';
import { container, objectPath, objectQuery, readObject, syncState, written } from '../src/objects.ts';

test('an object in an address is read back as it was written', () => {
  const objects = [
    { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' },
    { group: '', kind: 'Service', namespace: 'shop', name: 'web' },
    { group: 'rbac.authorization.k8s.io', kind: 'ClusterRole', namespace: null, name: 'system:a' },
  ];
  for (const object of objects) assert.deepEqual(readObject(written(object)), object);
  for (const text of ['', 'apps', 'apps/Deployment/shop', 'apps//shop/web']) assert.equal(readObject(text), undefined, text);
});

test('the API is asked with each part escaped', () => {
  const role = { group: 'rbac.authorization.k8s.io', kind: 'ClusterRole', namespace: null, name: 'system:a b' };
  assert.equal(objectPath(role), 'objects/rbac.authorization.k8s.io/ClusterRole/-/system%3Aa%20b');
  assert.equal(objectQuery(role), 'group=rbac.authorization.k8s.io&kind=ClusterRole&namespace=-&name=system%3Aa+b');
});

test('a container says in words what it does, and only what failed looks like it', () => {
  const told = (but: Partial<ResourceContainer>) => {
    const whole: ResourceContainer = {
      name: 'web',
      image: 'web:1',
      init: false,
      ready: true,
      restarts: 0,
      state: 'running',
      reason: '',
      since: null,
      ranBefore: false,
      ...but,
    };
    const look = container(whole);
    return `${look.word}, ${look.tone}`;
  };
  assert.equal(told({}), 'runs, good');
  assert.equal(told({ ready: false }), 'runs, not ready, busy');
  assert.equal(told({ state: 'waiting', ready: false, reason: 'ContainerCreating' }), 'waits: ContainerCreating, busy');
  assert.equal(told({ state: 'waiting', ready: false, reason: 'ImagePullBackOff' }), 'waits: ImagePullBackOff, bad');
  assert.equal(told({ state: 'ended', ready: false, reason: 'Completed' }), 'ended, good');
  assert.equal(told({ state: 'ended', ready: false, reason: 'OOMKilled' }), 'ended: OOMKilled, bad');
  assert.equal(told({ state: 'unknown', ready: false }), 'not started, busy');
});

test('each way of an object to stand to Git has a word of its own', () => {
  const states = ['synced', 'drifted', 'missing', 'failed', 'waiting', 'left', 'hook'] as const;
  assert.equal(new Set(states.map((state) => syncState(state).word)).size, states.length);
});
