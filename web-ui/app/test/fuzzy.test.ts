import assert from 'node:assert/strict';
import { test } from 'node:test';
import { best, fit } from '../src/fuzzy.ts';

const names = ['pay/payments-api', 'pay/invoices', 'shop/api', 'shop/web', 'infra/prometheus-agent', 'shop/payment-web'];
const found = (letters: string) => best(letters, names, (name) => name, 10);

test('letters must all be there, in their order', () => {
  assert.deepEqual(found('zz'), []);
  assert.equal(fit('ba', 'ab'), undefined);
  assert.ok(fit('AB', 'xaxb') !== undefined);
});

test('what has the letters together comes first, at the beginning of a word before that', () => {
  assert.equal(found('api')[0], 'shop/api');
  assert.equal(found('web')[0], 'shop/web');
  assert.equal(found('invo')[0], 'pay/invoices');
});

test('the beginnings of words are enough', () => {
  assert.equal(found('pa api')[0], 'pay/payments-api');
  assert.equal(found('spw')[0], 'shop/payment-web');
  assert.equal(found('ipa')[0], 'infra/prometheus-agent');
});

test('without letters all are as they are', () => {
  assert.deepEqual(found(''), names);
});
