//! Projector of all figures, as `figures` has it in Rust.

import { distinct, histogram, object, projector, quantiles, summary, table, text } from "kinora-sdk";

const EDGES = [-1, 0, 100.5];

const FIGURES = object({ summary, histogram, quantiles, distinct });

const figures = table("figures", { key: "stream", row: FIGURES });
const texts = table("texts", { key: "stream", row: { text } });

export default projector<{ values: number[]; names: string[] }>({
  name: "figures",
  handles: { Measured: 1 },
  ignores: ["*"],
  tables: [figures, texts],

  apply({ data, stream }, rows) {
    const row = rows.entry(figures, stream);
    for (const value of data.values) {
      row.summary.add(value);
      row.histogram.add(value, EDGES);
      row.quantiles.add(value);
    }
    for (const name of data.names) row.distinct.add(name);
    rows.put(texts, stream, { text: FIGURES.encode(row) });
  },
});
