//! Tests of figures, run natively. That they are the same bytes as in Rust is tested on a host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Distinct, Quantiles, distinct, quantiles } from "../src/index.js";

function* numbers(count) {
  let state = 1;
  for (let index = 0; index < count; index++) yield (state = (state * 16807) % 2147483647);
}

/** One that is written and read now and then ends as one that is not. */
function theSameInAnyBatches(field, count, add) {
  let [kept, restarted] = [field.initial(), field.initial()];
  let index = 0;
  for (const number of numbers(count)) {
    add(kept, number);
    add(restarted, number);
    if (number % 7 === 0) restarted = field.decode(JSON.parse(field.encode(restarted)));
    if (index++ < 300 || index % 500 === 0) assert.equal(field.encode(restarted), field.encode(kept), `at ${index}`);
  }
}

test("figures do not depend on when they are written and read", () => {
  theSameInAnyBatches(quantiles, 5000, (figure, number) => figure.add((number % 1000003) / 997 - 300));
  theSameInAnyBatches(distinct, 3000, (figure, number) => figure.add(String(number % 2003)));
});

test("quantiles and distinct counts are as near as they say", () => {
  const [some, many] = [new Quantiles(), new Distinct()];
  assert.deepEqual([some.quantile(0.5), some.count, many.estimate], [null, 0, 0]);
  const values = [...numbers(20000)].map((number) => (number % 100000) + 1);
  for (const value of values) some.add(value);
  for (const value of values) many.add(String(value));
  values.sort((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.9, 0.99]) {
    const exact = values[Math.floor(share * 19999)];
    assert.ok(Math.abs(some.quantile(share) - exact) <= exact * 0.0101, String(share));
  }
  const exact = new Set(values).size;
  assert.ok(Math.abs(many.estimate - exact) <= exact * 0.06, `${many.estimate} is not ${exact}`);
  assert.throws(() => many.add(7), /counts texts/);
});
