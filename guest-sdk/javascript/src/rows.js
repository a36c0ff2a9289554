//! Rows: decoded once, kept while hot, written back when the host wants to commit.

import { Fault } from "./fault.js";
import { asField } from "./fields.js";
import { Texts, column } from "./text.js";

/** Rows that a scan asks the host for at once. */
const PAGE_ROWS = 1000;

/** Characters of rows that are handed over at once, about: more would only hold more memory. */
const WRITE_CHARACTERS = 1 << 20;

/** Rows of a table that are kept decoded after a flush; beyond it the cache is emptied. */
const CACHED_ROWS = 20000;

/** Rows that are read at once. */
const FETCHED_ROWS = 8192;

/** A table of the read model: what its key stands for, what its rows are, its indexes. */
export class Table {
  constructor(name, { key, row, indexes = {}, unique = {}, history = null, declared = true }) {
    Object.assign(this, { name, key, row: asField(row), indexes, unique, history, declared });
  }
}

/** A key of several parts, such as a date and a route. A slash within a part becomes `%2F`, a percent sign `%25`. */
export function compositeKey(...parts) {
  return parts.map((part) => String(part).replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
}

/** The rows that one instance has in memory, of one table. */
class Cache {
  constructor(table, index) {
    Object.assign(this, { table, index, rows: new Map(), dirty: new Set(), wanted: [] });
  }

  decode(key, written) {
    let row;
    try {
      row = JSON.parse(written);
      return this.table.row.decode ? this.table.row.decode(row) : row;
    } catch (cause) {
      throw new Fault(
        `row ${JSON.stringify(key)} of table ${JSON.stringify(this.table.name)} does not decode: ${cause.message}`,
      );
    }
  }

  encode(key, row) {
    try {
      return this.table.row.encode(row);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new Fault(`row ${JSON.stringify(key)} of table ${JSON.stringify(this.table.name)}: ${cause.message}`);
    }
  }
}

/** What an event handler has of the read model. */
export class Rows {
  constructor(tables, backend) {
    this._backend = backend;
    this._caches = new Map(tables.map((table, index) => [table, new Cache(table, index)]));
    /** How many rows were read since this was asked last. */
    this._read = 0;
  }

  /** A row to change; a new one if there is none. */
  entry(table, key) {
    const cache = this._cache(table);
    let row = cache.rows.get(key);
    if (row === undefined) row = this._cached(cache, key);
    if (row === null) {
      row = table.row.initial();
      cache.rows.set(key, row);
    }
    cache.dirty.add(key);
    return row;
  }

  /** A row to look at, or `null`. To change it take `entry`. */
  get(table, key) {
    return this._cached(this._cache(table), key);
  }

  /** Puts a row, whatever was there: nothing is read for it. */
  put(table, key, row) {
    const cache = this._cache(table);
    cache.rows.set(key, row);
    cache.dirty.add(key);
  }

  /** Deletes a row, if it is there. */
  delete(table, key) {
    this.put(table, key, null);
  }

  /** Keys and rows in the order of their keys, as they are now: from `from` (included) to `to` (not included). */
  *scan(table, { from = null, to = null, reverse = false } = {}) {
    const cache = this._cache(table);
    // A scan sees the rows that this instance has not written yet, too.
    this.flush();
    let [start, end] = [from, to];
    for (;;) {
      const range = { start: start ?? undefined, end: end ?? undefined, reverse };
      const page = this._backend.scan(cache.index, range, PAGE_ROWS);
      const [keys, values] = [new Texts(page.keys), new Texts(page.values)];
      if (page.keys.ends.length === 0) return;
      for (let index = 0; index < page.keys.ends.length; index++) {
        const key = keys.at(index);
        yield [key, cache.decode(key, values.at(index))];
        // A key never contains a NUL, so this is the key right after it.
        if (reverse) end = key;
        else start = `${key}\0`;
      }
    }
  }

  /** Says that an event is going to touch a row. */
  want(table, key) {
    const cache = this._caches.get(table);
    if (cache && !cache.rows.has(key)) cache.wanted.push(key);
  }

  /** Reads all rows that are wanted, at once. */
  fetch() {
    for (const cache of this._caches.values()) {
      const keys = [...new Set(cache.wanted)];
      cache.wanted = [];
      for (let start = 0; start < keys.length; start += FETCHED_ROWS) {
        const some = keys.slice(start, start + FETCHED_ROWS);
        const found = new Texts(this._backend.getMany(cache.index, column(some)));
        some.forEach((key, index) => {
          const written = found.at(index);
          cache.rows.set(key, written === "" ? null : cache.decode(key, written));
        });
        this._read += some.length;
      }
    }
  }

  /** How many rows were read since this was called last. */
  readSince() {
    const read = this._read;
    this._read = 0;
    return read;
  }

  /** Writes what has changed. */
  flush() {
    for (const cache of this._caches.values()) {
      let [keys, values, length] = [[], [], 0];
      const write = () => this._backend.write(cache.index, column(keys), column(values));
      for (const key of cache.dirty) {
        const row = cache.rows.get(key);
        const written = row === null ? "" : cache.encode(key, row);
        keys.push(key);
        values.push(written);
        length += key.length + written.length;
        if (length >= WRITE_CHARACTERS) {
          write();
          [keys, values, length] = [[], [], 0];
        }
      }
      if (keys.length > 0) write();
      cache.dirty.clear();
      if (cache.rows.size > CACHED_ROWS) cache.rows.clear();
    }
  }

  _cache(table) {
    const cache = this._caches.get(table);
    if (cache === undefined)
      throw new Fault(`table ${JSON.stringify(table?.name ?? String(table))} is not among the tables of the projector`);
    return cache;
  }

  _cached(cache, key) {
    const row = cache.rows.get(key);
    if (row !== undefined) return row;
    if (typeof key !== "string")
      throw new Fault(`a key of table ${JSON.stringify(cache.table.name)} is a text, not ${String(key)}`);
    this._read += 1;
    const written = new Texts(this._backend.getMany(cache.index, column([key]))).at(0);
    const read = written === "" ? null : cache.decode(key, written);
    cache.rows.set(key, read);
    return read;
  }
}
