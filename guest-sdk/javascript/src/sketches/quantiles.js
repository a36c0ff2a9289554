//! Quantiles of any number of values (DDSketch), with the state that the SDK for Rust keeps.
//!
//! The method is that of "DDSketch: A Fast and Fully-Mergeable Quantile Sketch" (Masson, Rim, Lee, 2019): values fall
//! into bins whose borders grow by a factor. Where the bins lie follows what the Rust crate sketches-ddsketch does,
//! since rows are compared byte by byte.

import { exp, log } from "./elementary.js";

/** How much greater each border is than the one before it: values are then within 1 %. */
const GAMMA = (1 + 0.01) / (1 - 0.01);
const GAMMA_LN = log(GAMMA);
const LEAST = 1e-9;

/** What such a sketch is. */
const CONFIG = {
  max_num_bins: 2048,
  gamma: GAMMA,
  gamma_ln: GAMMA_LN,
  min_value: LEAST,
  offset: 1 - Math.trunc(log(LEAST) / GAMMA_LN),
};

/** Bins come by so many. */
const CHUNK = 128;

const [LEAST_KEY, GREATEST_KEY] = [-(2 ** 31), 2 ** 31 - 1];

function emptyStore() {
  const [min_key, max_key, bin_limit] = [GREATEST_KEY, LEAST_KEY, CONFIG.max_num_bins];
  return { bins: [], count: 0, min_key, max_key, offset: 0, bin_limit, is_collapsed: false };
}

function count(store, key) {
  // Which bin it is comes first: making room for it makes new bins.
  const at = binOf(store, key);
  store.bins[at] += 1;
  store.count += 1;
}

function binOf(store, key) {
  if (key < store.min_key) {
    if (store.is_collapsed) return 0;
    extend(store, key);
    if (store.is_collapsed) return 0;
  } else if (key > store.max_key) {
    extend(store, key);
  }
  return key - store.offset;
}

/** Makes room for a key. */
function extend(store, key) {
  const [least, greatest] = [Math.min(key, store.min_key), Math.max(key, store.max_key)];
  const { bins } = store;
  if (bins.length > 0 && least >= store.min_key && greatest < store.offset + bins.length) {
    [store.min_key, store.max_key] = [least, greatest];
    return;
  }
  const length = Math.min(CHUNK * Math.ceil((greatest - least + 1) / CHUNK), store.bin_limit);
  if (bins.length === 0) store.offset = least;
  while (bins.length < length) bins.push(0);
  adjust(store, least, greatest);
}

function adjust(store, least, greatest) {
  const { bins } = store;
  if (greatest - least + 1 <= bins.length) {
    // The keys go to the middle of the bins.
    const middle = least + Math.floor((greatest - least + 1) / 2);
    shift(store, store.offset + Math.floor(bins.length / 2) - middle);
    [store.min_key, store.max_key] = [least, greatest];
    return;
  }
  const lowest = greatest - bins.length + 1;
  if (lowest >= store.max_key) {
    store.offset = store.min_key = lowest;
    bins.fill(0);
    bins[0] = store.count;
  } else {
    const by = store.offset - lowest;
    if (by < 0) {
      // What is too low falls into the lowest bin that stays.
      const [start, end] = [store.min_key - store.offset, lowest - store.offset];
      let sum = 0;
      for (let index = start; index < end; index++) {
        sum += bins[index];
        bins[index] = 0;
      }
      bins[end] += sum;
    }
    store.min_key = lowest;
    shift(store, by);
  }
  store.max_key = greatest;
  store.is_collapsed = true;
}

/** Moves all bins up, or down where it is below 0. What falls out is empty, or comes to nothing. */
function shift(store, by) {
  const { bins } = store;
  const zeros = new Array(Math.min(Math.abs(by), bins.length)).fill(0);
  store.bins = by > 0 ? [...zeros, ...bins.slice(0, bins.length - zeros.length)] : [...bins.slice(zeros.length), ...zeros];
  store.offset -= by;
}

function keyAtRank(store, rank) {
  let sum = 0;
  for (let index = 0; index < store.bins.length; index++) {
    sum += store.bins[index];
    if (sum > rank) return index + store.offset;
  }
  return store.max_key;
}

const keyOf = (value) => Math.floor(log(value) / GAMMA_LN);
const valueOf = (key) => exp(key * GAMMA_LN) * ((2 * GAMMA) / (1 + GAMMA));

/** Quantiles of any number of values, each within 1 % of the value, in some kilobytes. */
export class Quantiles {
  constructor({ sketch = null } = {}) {
    this.sketch = sketch;
  }

  /** Adds a value. One that is not finite is ignored. */
  add(value) {
    if (!Number.isFinite(value)) return;
    const sketch = (this.sketch ??= {
      config: CONFIG,
      store: emptyStore(),
      negative_store: emptyStore(),
      min: Infinity,
      max: -Infinity,
      sum: 0,
      zero_count: 0,
    });
    if (value > LEAST) count(sketch.store, keyOf(value));
    else if (value < -LEAST) count(sketch.negative_store, keyOf(-value));
    else sketch.zero_count += 1;
    // Not by Math.min and Math.max: of two zeros the first one stays.
    if (value < sketch.min) sketch.min = value;
    if (sketch.max < value) sketch.max = value;
    sketch.sum += value;
  }

  /** How many values were added. */
  get count() {
    if (this.sketch === null) return 0;
    return this.sketch.store.count + this.sketch.zero_count + this.sketch.negative_store.count;
  }

  /** The value that this share of all, from 0 to 1, is not above; `null` as long as there are no values. */
  quantile(share) {
    const { sketch, count } = this;
    if (count === 0 || !(share >= 0 && share <= 1)) return null;
    if (share === 0) return sketch.min;
    if (share === 1) return sketch.max;
    const rank = Math.floor(share * (count - 1));
    const negative = sketch.negative_store.count;
    if (rank < negative) return -valueOf(keyAtRank(sketch.negative_store, negative - rank - 1));
    if (rank < sketch.zero_count + negative) return 0;
    return valueOf(keyAtRank(sketch.store, rank - sketch.zero_count - negative));
  }

  get min() {
    return this.quantile(0);
  }

  get p50() {
    return this.quantile(0.5);
  }

  get p90() {
    return this.quantile(0.9);
  }

  get p99() {
    return this.quantile(0.99);
  }

  get max() {
    return this.quantile(1);
  }
}
