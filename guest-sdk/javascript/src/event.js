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

export class Event {
  #columns;
  #index;
  #data = undefined;

  constructor(columns, index, [kind, schema]) {
    this.#columns = columns;
    this.#index = index;
    /** The name of its type, such as `FlightDeparted`. */
    this.kind = kind;
    /** The version of its type's schema, from 1. */
    this.schema = schema;
  }

  /** Its data, decoded: the same object each time. */
  get data() {
    if (this.#data === undefined) {
      try {
        this.#data = JSON.parse(this.#columns.payloads.at(this.#index));
      } catch (cause) {
        throw this.fault(`the data of ${this.kind} schema ${this.schema} does not decode: ${cause.message}`);
      }
    }
    return this.#data;
  }

  /** Its place in the log, from 0. */
  get position() {
    return Number(this.#columns.batch.positions[this.#index]);
  }

  /** Its place in its stream, from 0. */
  get revision() {
    return Number(this.#columns.batch.revisions[this.#index]);
  }

  /** When it was appended: microseconds since the Unix epoch. */
  get time() {
    return Number(this.#columns.batch.times[this.#index]);
  }

  /** The name of its stream. */
  get stream() {
    return this.#columns.streams.at(this.#index);
  }

  /** Its metadata, decoded, or `null`; always `null` unless the guest needs metadata. */
  get metadata() {
    const written = this.#columns.metadata?.at(this.#index) ?? "";
    return written === "" ? null : JSON.parse(written);
  }

  /** Its tags, in order; none unless the guest needs tags. */
  get tags() {
    const written = this.#columns.tags?.at(this.#index) ?? "";
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

/** The events of a batch, in order. `types[kind]` is the type and the schema of an event. */
export function* events(batch, types) {
  const columns = new Columns(batch);
  for (let index = 0; index < batch.kinds.length; index++) yield new Event(columns, index, types[batch.kinds[index]]);
}
