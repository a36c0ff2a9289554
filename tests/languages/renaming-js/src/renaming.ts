//! Upcaster of all kinds of old events, as `conforming` has it in Rust.

import { DROP, integer, map, nullable, number, text, upcaster } from "kinora-sdk";

const COUNT = { n: integer };

export default upcaster({
  name: "renaming",
  steps: [
    // A rename.
    { from: ["Counted", 1], to: [["Count", 1]], fields: [COUNT], convert: ({ n }) => [["Count", 1, { n }]] },
    // A split, into any number of events, and none at all on purpose.
    {
      from: ["Many", 1],
      to: [["Count", 1]],
      fields: [COUNT],
      convert: ({ ns }) => (ns.length === 0 ? DROP : ns.map((n: number) => ["Count", 1, { n }])),
    },
    // A chain: a text, then `Counted`, then `Count`.
    { from: ["Text", 1], to: ["Text", 2], fields: { number: text }, convert: (n) => ({ number: String(n) }) },
    {
      from: ["Text", 2],
      to: ["Counted", 1],
      fields: COUNT,
      convert(old, event) {
        if (!/^\d+$/.test(old.number)) throw event.fault(`${JSON.stringify(old.number)}: invalid digit found in string`);
        return { n: Number(old.number) };
      },
    },
    // One that writes data of other kinds.
    {
      from: ["Priced", 1],
      to: ["Prices", 1],
      fields: { article: text, prices: map(number), mean: nullable(number) },
      convert({ article, cents }) {
        const names = Object.keys(cents);
        const prices = Object.fromEntries(names.map((name) => [name, cents[name] / 100]));
        const sum = names.sort().reduce((sum, name) => sum + prices[name], 0);
        return { article, prices, mean: names.length === 0 ? null : sum / names.length };
      },
    },
    // A step that forgets an event.
    { from: ["Forgotten", 2], to: [["Count", 1]], convert: () => [] },
  ],
});
