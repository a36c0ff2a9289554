//! Tests that numbers, texts and keys are written as the SDK for Rust writes them.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { integer, list, map, nullable, number, object, text } from "../src/index.js";
import { inByteOrder } from "../src/text.js";

// Beside the SDK in its repository; where it was copied to somewhere else, the copy says where it came from.
const folder = new URL(process.env.KINORA_CONFORMANCE ?? "../../conformance/", import.meta.url);
const lines = (name) =>
  readFileSync(new URL(name, folder), "utf8")
    .split("\n")
    .filter((line) => line !== "");

test("the files of what Rust writes are there", () => {
  assert.ok(existsSync(folder), folder.href);
});

test("numbers are written as Rust writes them, and read back as what they were", () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const line of lines("numbers.txt")) {
    const [bits, expected] = line.split(" ");
    view.setBigUint64(0, BigInt(`0x${bits}`));
    const value = view.getFloat64(0);
    assert.equal(number.encode(value), expected);
    assert.ok(Object.is(JSON.parse(expected), value), expected);
  }
});

test("texts are written as Rust writes them", () => {
  for (const line of lines("texts.txt")) {
    const [points, expected] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    const value = String.fromCodePoint(...points.split(",").map((point) => parseInt(point, 16)));
    assert.equal(text.encode(value), expected);
  }
});

test("members stand in the order of their declaration, names of a map in that of their bytes", () => {
  const row = object({ b: integer, a: nullable(number), m: map(integer), l: list(number) });
  const value = { l: [1, 0.5], m: { "\u{1f6eb}": 1, "\ufffd": 2, 10: 3, 9: 4 }, a: null, b: 7 };
  assert.equal(row.encode(value), '{"b":7,"a":null,"m":{"10":3,"9":4,"\ufffd":2,"\u{1f6eb}":1},"l":[1.0,0.5]}');
  assert.ok(inByteOrder("\ufffd", "\u{1f6eb}") < 0 && inByteOrder("a", "ab") < 0 && inByteOrder("b", "ab") > 0);
});

test("what is not of the declared kind is refused by its name", () => {
  const row = object({ deep: object({ n: integer }) });
  for (const wrong of [NaN, 0.5, "1", undefined, 2 ** 53]) {
    assert.throws(() => row.encode({ deep: { n: wrong } }), /deep: n: expected an integer/);
  }
  assert.throws(() => number.encode(Infinity), /expected a finite number/);
});
