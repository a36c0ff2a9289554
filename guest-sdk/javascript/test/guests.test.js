//! Tests of projectors and upcasters, run natively.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DROP,
  InvalidArguments,
  compositeKey,
  histogram,
  integer,
  json,
  projector,
  summary,
  table,
  text,
  upcaster,
} from "../src/index.js";
import { Scenario, upcast } from "../src/testing.js";

const seen = table("seen", {
  key: "day/name",
  row: { n: integer, delays: summary, counts: histogram, about: json },
});

const watching = projector({
  name: "watching",
  handles: { Counted: 2 },
  ignores: ["*"],
  tables: [seen],
  needs: ["tags", "metadata"],
  queries: {
    keys: {
      description: "The keys of a range.",
      arguments: { from: text },
      run({ from }, rows) {
        if (from === "") throw new InvalidArguments("from is empty");
        return [...rows.scan(seen, { from, reverse: true })].map(([key]) => key);
      },
    },
  },
  touches(event, rows) {
    rows.want(seen, compositeKey(event.stream, event.data.name));
  },
  apply(event, rows) {
    const { name, n } = event.data;
    if (n === 0) return rows.delete(seen, compositeKey(event.stream, name));
    if (n < 0) throw event.fault("less than nothing");
    const row = rows.entry(seen, compositeKey(event.stream, name));
    row.n += n;
    row.delays.add(n);
    row.counts.add(n, [0, 10]);
    row.about = [event.position, event.revision, event.time, event.tags, event.metadata];
  },
});

test("an event has what a log has of it, and figures are as in Rust", () => {
  const scenario = new Scenario(watching);
  scenario.given(
    "Counted",
    2,
    { name: "a/b", n: 3 },
    { stream: "7%", time: 5, tags: ["x:1", "y"], metadata: { by: "ada" } },
  );
  scenario.restarted();
  scenario.given("Counted", 2, { name: "a/b", n: 20 }, { stream: "7%" });
  assert.equal(
    scenario.written("seen", "7%25/a%2Fb"),
    '{"n":23,"delays":{"count":2,"sum":23.0,"mean":11.5,"min":3.0,"max":20.0},' +
      '"counts":{"edges":[0.0,10.0],"counts":[0,1,1]},"about":[1,1,1,[],null]}',
  );
});

test("rows are deleted, scanned and asked for", () => {
  const scenario = new Scenario(watching);
  for (const name of ["a", "b", "c", "d"]) scenario.given("Counted", 2, { name, n: 1 }, { stream: "s" });
  scenario.given("Counted", 2, { name: "c", n: 0 }, { stream: "s" });
  assert.deepEqual(scenario.query("keys", { from: "s/b" }), ["s/d", "s/b"]);
  assert.throws(() => scenario.query("keys", { from: "" }), /from is empty/);
  assert.deepEqual(Object.keys(scenario.rows("seen")), ["s/a", "s/b", "s/d"]);
});

test("faults name the position; an unknown schema of what is handled is one", () => {
  const scenario = new Scenario(watching).given("Other", 1, {});
  assert.throws(() => scenario.given("Counted", 2, { name: "a", n: -1 }), {
    message: "less than nothing",
    position: 1,
  });
  assert.throws(() => scenario.given("Counted", 3, {}), /Counted schema 3 is neither handled nor ignored/);
  assert.throws(() => scenario.given("Counted", 2, null), /TypeError: /);
});

const names = upcaster({
  name: "names",
  steps: [
    {
      from: ["Counted", 1],
      to: ["Counted", 2],
      fields: { name: text, n: integer },
      convert: (old, event) => {
        if (old === "") return DROP;
        const [name, n] = old.split("=");
        if (n === undefined) throw event.fault(`${old} has no number`);
        return { n: Number(n), name };
      },
    },
    {
      from: ["Listed", 1],
      to: [
        ["Counted", 1],
        ["Other", 1],
      ],
      convert: (old) => old.map((one) => ["Counted", 1, one]),
    },
  ],
});

test("upcasters change, split and drop, in chains", () => {
  assert.deepEqual(upcast(names, "Counted", 1, '"a=1"'), [["Counted", 2, '{"name":"a","n":1}']]);
  assert.deepEqual(upcast(names, "Counted", 1, '""'), []);
  assert.throws(() => upcast(names, "Counted", 1, '"a"'), { message: "a has no number", position: 0 });
  assert.throws(() => upcast(names, "Listed", 1, "[]"), /neither changed nor dropped/);
  const scenario = new Scenario(watching).upcastedBy(names).given("Listed", 1, ["a=1", "b=2"]);
  assert.deepEqual(Object.keys(scenario.rows("seen")), ["test/a", "test/b"]);
});
