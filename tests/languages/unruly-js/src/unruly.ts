//! Projector that does what it should not, as the type of each event says. `Count` behaves well.

import { integer, projector, table, text } from "kinora-sdk";

const counts = table("counts", { key: "stream", row: { n: integer, note: text } });

/** What no row has. */
const unwritten = { seen: 0 };

/** Memory that is not given back. */
const held: unknown[] = [];

function deepest(data: any): number {
  return data.missing.length;
}

function recurse(depth: number): number {
  return depth < 0 ? 0 : recurse(depth + 1) + 1;
}

const FAULTS: { readonly [kind: string]: (row: any, data: any) => void } = {
  Count: (row) => (row.n += 1),
  Throw: (row, data) => (row.n = deepest(data)),
  ThrowText: () => {
    throw "only a text";
  },
  Chance: (row) => (row.n = Math.floor(Math.random() * 10)),
  Clock: (row) => (row.n = Date.now()),
  Today: (row) => (row.note = new Date().toISOString()),
  Loop: (row) => {
    for (;;) row.n += 1;
  },
  // Long texts are copied from short ones, which costs little fuel.
  Grow: () => {
    for (;;) held.push("x".repeat(1 << 16).repeat(1 << 9));
  },
  Recurse: (row) => (row.n = recurse(0)),
  // Repeated in two steps, for the engine takes some forty instructions for each time, however short the text.
  Wide: (row, { megabytes }) => (row.note = "\u00e9".repeat(1 << 19).repeat(megabytes)),
  Text: (row) => (row.n = "7"),
  Fraction: (row) => (row.n = 0.5),
  NotFinite: (row) => (row.n = Number.NaN),
  /** The proof of determinism finds it: it depends on when an instance began. */
  Remember: (row) => (row.n = ++unwritten.seen),
};

export default projector({
  name: "unruly",
  handles: Object.fromEntries(Object.keys(FAULTS).map((kind) => [kind, 1])),
  ignores: ["*"],
  tables: [counts],

  apply(event, rows) {
    FAULTS[event.kind](rows.entry(counts, event.stream), event.data);
  },
});
