//! Figures to keep in rows: sums with extremes, and histograms. The same words and bytes as in the SDK for Rust.

import { Fault } from "./fault.js";

/** Count, sum, mean, least and greatest of some numbers. */
export class Summary {
  constructor({ count = 0, sum = 0, min = null, max = null } = {}) {
    Object.assign(this, { count, sum, min, max });
  }

  /** Adds a number. One that is not finite is ignored: JSON has no form for it. */
  add(value) {
    if (!Number.isFinite(value)) return;
    this.count += 1;
    this.sum += value;
    this.min = this.min === null ? value : Math.min(this.min, value);
    this.max = this.max === null ? value : Math.max(this.max, value);
  }

  get mean() {
    return this.count > 0 ? this.sum / this.count : null;
  }
}

/** How many values lie below each of some edges, from the edge before on; the last count is of those above all. */
export class Histogram {
  constructor({ edges = [], counts = [] } = {}) {
    Object.assign(this, { edges, counts });
  }

  /** Counts a value. `edges` are the same for all values of a histogram: finite, and ascending. */
  add(value, edges) {
    if (this.edges.length === 0) {
      const ascend = edges.every((edge, index) => Number.isFinite(edge) && (index === 0 || edges[index - 1] < edge));
      if (edges.length === 0 || !ascend)
        throw new Fault(`the edges ${JSON.stringify(edges)} of a histogram do not ascend`);
      this.edges = [...edges];
      this.counts = new Array(edges.length + 1).fill(0);
    }
    if (this.edges.length !== edges.length || this.edges.some((edge, index) => edge !== edges[index])) {
      throw new Fault(`a histogram has the edges ${JSON.stringify(this.edges)}, not ${JSON.stringify(edges)}`);
    }
    let bucket = 0;
    while (bucket < edges.length && edges[bucket] <= value) bucket += 1;
    this.counts[bucket] += 1;
  }
}
