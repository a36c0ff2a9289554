//! Distinct counts (HyperLogLog), with the state that the SDK for Rust keeps: that of Apache DataSketches, 2,048 registers
//! of 8 bits. A few values are kept as they were hashed, in a list and then in a set; more of them in registers.

import { power } from "./elementary.js";
import { utf8 } from "../text.js";

const REGISTERS_LOG2 = 11;
const REGISTERS = 1 << REGISTERS_LOG2;

/** Values that a list has at most, and places in the first set, as a power of two; the set before registers. */
const [LIST, FIRST_SET_LOG2, LAST_SET_LOG2] = [8, 5, REGISTERS_LOG2 - 3];

/** Of a hashed value, the lower bits are its place and the others its rank. */
const PLACE_BITS = 26;
const PLACE = (1 << PLACE_BITS) - 1;

/** Bytes at the beginning of a state: lengths in words, a version, a family, and what follows. */
const [VERSION, FAMILY, COMPACT, EMPTY] = [1, 7, 8, 4];
const [IS_LIST, IS_SET, IS_REGISTERS] = [8, 9, 10];

const MASK = (1n << 64n) - 1n;
const SEED = 9001n;
const [C1, C2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];

const rotated = (x, by) => ((x << by) | (x >> (64n - by))) & MASK;

function mixed(k) {
  k = ((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn) & MASK;
  k = ((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n) & MASK;
  return k ^ (k >> 33n);
}

const first = (k) => (rotated((k * C1) & MASK, 31n) * C2) & MASK;
const second = (k) => (rotated((k * C2) & MASK, 33n) * C1) & MASK;

/** MurmurHash3 of 128 bits, by Austin Appleby, of a text and the byte that Rust puts after it. */
function hashed(text) {
  const own = utf8(text);
  const total = own.length + 1;
  const bytes = new Uint8Array(Math.ceil(total / 16) * 16);
  bytes.set(own);
  bytes[own.length] = 0xff;
  const view = new DataView(bytes.buffer);
  let [h1, h2] = [SEED, SEED];
  const whole = total - (total % 16);
  for (let at = 0; at < bytes.length; at += 16) {
    const [k1, k2] = [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)];
    h1 ^= first(k1);
    if (at < whole) h1 = (((rotated(h1, 27n) + h2) & MASK) * 5n + 0x52dce729n) & MASK;
    h2 ^= second(k2);
    if (at < whole) h2 = (((rotated(h2, 31n) + h1) & MASK) * 5n + 0x38495ab5n) & MASK;
  }
  h1 ^= BigInt(total);
  h2 ^= BigInt(total);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  [h1, h2] = [mixed(h1), mixed(h2)];
  h1 = (h1 + h2) & MASK;
  return [h1, (h2 + h1) & MASK];
}

/** What is kept of a value. It is never 0. */
function kept(text) {
  const [low, high] = hashed(text);
  const zeros = high === 0n ? 64 : 64 - high.toString(2).length;
  return ((Math.min(zeros, 62) + 1) * 2 ** PLACE_BITS + Number(low & BigInt(PLACE))) >>> 0;
}

/** Places of a set, some of them empty. */
function setOf(sizeLog2, values) {
  const set = { sizeLog2, places: new Array(1 << sizeLog2).fill(0), length: 0 };
  for (const value of values) addTo(set, value);
  return set;
}

function addTo(set, value) {
  const mask = set.places.length - 1;
  const stride = ((value & PLACE) >>> set.sizeLog2) | 1;
  let at = value & mask;
  while (set.places[at] !== 0 && set.places[at] !== value) at = (at + stride) & mask;
  if (set.places[at] === 0) set.length += 1;
  set.places[at] = value;
}

/** Counts of hashed values, and how many values there are likely to be: the first points of DataSketches' table. */
const COUNTED = [0, 1, 20, 400, 8000];
const LIKELY = [0, 1, 20.00000094374026, 400.0003963713384, 8000.158929460209];

/** A cubic through four points of the table. */
function likely(count) {
  const from = count < 20 ? 0 : 1;
  const [x, y] = [COUNTED.slice(from, from + 4), LIKELY.slice(from, from + 4)];
  const terms = [0, 1, 2, 3].map((at) => {
    const [a, b, c] = [0, 1, 2, 3].filter((other) => other !== at).map((other) => x[other]);
    return (y[at] * ((count - a) * (count - b) * (count - c))) / ((x[at] - a) * (x[at] - b) * (x[at] - c));
  });
  return Math.max(count, terms[0] + terms[1] + terms[2] + terms[3]);
}

/** Registers, and the estimate as it grows with each that changes. `upper` is the sum of what ranks of 32 and more are. */
class Registers {
  constructor(bytes, estimate, lower, upper, zeros) {
    Object.assign(this, { bytes, estimate, lower, upper, zeros });
  }

  static of(values, estimate) {
    const made = new Registers(new Uint8Array(REGISTERS), 0, REGISTERS, 0, REGISTERS);
    for (const value of values) made.add(value);
    made.estimate = estimate;
    return made;
  }

  add(value) {
    const [at, rank] = [value & (REGISTERS - 1), value >>> PLACE_BITS];
    const before = this.bytes[at];
    if (rank <= before) return;
    this.estimate += REGISTERS / (this.lower + this.upper);
    if (before < 32) this.lower -= power(-before);
    else this.upper -= power(-before);
    if (rank < 32) this.lower += power(-rank);
    else this.upper += power(-rank);
    if (before === 0) this.zeros -= 1;
    this.bytes[at] = rank;
  }
}

/** How many different values there were, within about 2 %, in 2 kilobytes at most. */
export class Distinct {
  constructor({ sketch = null } = {}) {
    /** One of these is there. */
    [this._list, this._set, this._registers] = [[], null, null];
    if (sketch !== null) this._read(fromBase64(sketch));
  }

  /** Counts a value, unless it was there before. */
  add(text) {
    if (typeof text !== "string") throw new TypeError(`a distinct count counts texts, not ${String(text)}`);
    const value = kept(text);
    if (this._registers !== null) {
      this._registers.add(value);
    } else if (this._set !== null) {
      const set = this._set;
      addTo(set, value);
      if (4 * set.length <= 3 * set.places.length) return;
      const values = set.places.filter((place) => place !== 0);
      if (set.sizeLog2 < LAST_SET_LOG2) this._set = setOf(set.sizeLog2 + 1, values);
      else [this._registers, this._set] = [Registers.of(values, likely(set.length)), null];
    } else if (!this._list.includes(value)) {
      this._list.push(value);
      if (this._list.length === LIST) [this._set, this._list] = [setOf(FIRST_SET_LOG2, this._list), null];
    }
  }

  /** To the nearest integer. */
  get estimate() {
    const found = this._registers?.estimate ?? likely((this._set ?? this._list).length);
    // Not by Math.round, whose addition of a half is rounded, too.
    const whole = Math.floor(found);
    return found - whole >= 0.5 ? whole + 1 : whole;
  }

  /** The state as a row has it. */
  get sketch() {
    const { _list: list, _set: set, _registers: registers } = this;
    if (registers !== null) {
      const view = new DataView(new ArrayBuffer(40 + REGISTERS));
      [10, VERSION, FAMILY, REGISTERS_LOG2, 0, 0, 0, IS_REGISTERS].forEach((byte, at) => view.setUint8(at, byte));
      [registers.estimate, registers.lower, registers.upper].forEach((sum, at) => view.setFloat64(8 + 8 * at, sum, true));
      view.setUint32(32, registers.zeros, true);
      const bytes = new Uint8Array(view.buffer);
      bytes.set(registers.bytes, 40);
      return toBase64(bytes);
    }
    // A set in the order of its values: that of their places depends on whether it has been read meanwhile.
    const values = list ?? set.places.filter((place) => place !== 0).sort((a, b) => a - b);
    const head =
      set === null
        ? [2, VERSION, FAMILY, REGISTERS_LOG2, 3, COMPACT | (list.length === 0 ? EMPTY : 0), list.length, IS_LIST]
        : [3, VERSION, FAMILY, REGISTERS_LOG2, set.sizeLog2, COMPACT, 0, IS_SET];
    const words = set === null ? values : [set.length, ...values];
    const view = new DataView(new ArrayBuffer(8 + 4 * words.length));
    head.forEach((byte, at) => view.setUint8(at, byte));
    words.forEach((word, at) => view.setUint32(8 + 4 * at, word, true));
    return toBase64(new Uint8Array(view.buffer));
  }

  _read(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = (from) => {
      const found = [];
      for (let at = from; at < bytes.length; at += 4) found.push(view.getUint32(at, true));
      return found;
    };
    if (bytes[7] === IS_LIST) {
      this._list = words(8);
    } else if (bytes[7] === IS_SET) {
      [this._list, this._set] = [null, setOf(bytes[4], words(12))];
    } else if (bytes[7] === IS_REGISTERS && bytes.length === 40 + REGISTERS) {
      const sums = [8, 16, 24].map((at) => view.getFloat64(at, true));
      this._list = null;
      this._registers = new Registers(bytes.slice(40), ...sums, view.getUint32(32, true));
    } else {
      throw new TypeError("this is no state of a distinct count");
    }
  }
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base 64 without the signs that fill it up; by hand, since not every engine has it. */
function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const signs = Math.min(4, bytes.length - at + 1);
    for (let sign = 0; sign < signs; sign++) text += ALPHABET[(group >> (18 - 6 * sign)) & 63];
  }
  return text;
}

function fromBase64(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [group, bits, at] = [0, 0, 0];
  for (const sign of text) {
    group = ((group << 6) | ALPHABET.indexOf(sign)) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (group >> bits) & 0xff;
    }
  }
  return bytes;
}
