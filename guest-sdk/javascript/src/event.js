//! Events as handlers see them: views of the columns that they crossed in.

import { Fault } from "./fault.js";
import { Texts } from "./text.js";

/** The columns of a batch, decoded as far as somebody looks at them. */
class Columns {
  constructor(batch) {
    this.batch = batch;
    this.payloads = new Texts(batch.payloads);
    this.streams = new Texts(batch.streams);
    this.metadata = batch.metadata.ends.length === 0 ? null : new Texts(batch.metadata);
    this.tags = batch.tags.ends.length === 0 ? null : new Texts(batch.tags);
  }
}

/** One event. Its members are not private ones: an interpreter pays for each of those with a look-up more. */
export class Event {
  constructor(columns, index, kind, schema) {
    this._columns = columns;
    this._index = index;
    this._data = undefined;
    /** The name of its type, such as `FlightDeparted`. */
    this.kind = kind;
    /** The version of its type's schema, from 1. */
    this.schema = schema;
  }

  /** Its data, decoded: the same object each time. */
  get data() {
    if (this._data === undefined) {
      try {
        this._data = JSON.parse(this._columns.payloads.at(this._index));
      } catch (cause) {
        throw this.fault(`the data of ${this.kind} schema ${this.schema} does not decode: ${cause.message}`);
      }
    }
    return this._data;
  }

  /** Its place in the log, from 0. */
  get position() {
    return Number(this._columns.batch.positions[this._index]);
  }

  /** Its place in its stream, from 0. */
  get revision() {
    return Number(this._columns.batch.revisions[this._index]);
  }

  /** When it was appended: microseconds since the Unix epoch. */
  get time() {
    return Number(this._columns.batch.times[this._index]);
  }

  /** The name of its stream. */
  get stream() {
    return this._columns.streams.at(this._index);
  }

  /** Its metadata, decoded, or `null`; always `null` unless the guest needs metadata. */
  get metadata() {
    const written = this._columns.metadata?.at(this._index) ?? "";
    return written === "" ? null : JSON.parse(written);
  }

  /** Its tags, in order; none unless the guest needs tags. */
  get tags() {
    const written = this._columns.tags?.at(this._index) ?? "";
    return written === "" ? [] : written.split("\n");
  }

  /** A fault at this event, to be thrown. */
  fault(message) {
    return new Fault(message, this.position);
  }

  /** The fault for an event that is declared and that the code has no arm for. */
  unhandled() {
    return this.fault(`${this.kind} schema ${this.schema} is declared, but apply() does not handle it`);
  }
}

/** Calls `handle` with each event of a batch, in order. `types[kind]` is the type and the schema of an event. */
export function forEachEvent(batch, types, handle) {
  const columns = new Columns(batch);
  const kinds = batch.kinds;
  for (let index = 0; index < kinds.length; index++) {
    const type = types[kinds[index]];
    handle(new Event(columns, index, type[0], type[1]), index);
  }
}
