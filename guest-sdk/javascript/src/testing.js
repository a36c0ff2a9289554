//! Unit tests without WebAssembly and without a host: given events, then rows.

import { deciderComponent } from "./decider.js";
import { projectorComponent } from "./projector.js";
import { inByteOrder, Texts, column } from "./text.js";
import { upcasterComponent } from "./upcaster.js";

/** Rows in memory, behind what a component imports. */
class Backend {
  constructor(tables) {
    this.tables = tables.map(() => new Map());
  }

  getMany(table, keys) {
    return column(all(keys).map((key) => this.tables[table].get(key) ?? ""));
  }

  scan(table, { start, end, reverse }, limit) {
    const found = this.sorted(table).filter(([key]) => {
      return (start === undefined || inByteOrder(key, start) >= 0) && (end === undefined || inByteOrder(key, end) < 0);
    });
    const page = (reverse ? found.reverse() : found).slice(0, limit);
    return { keys: column(page.map(([key]) => key)), values: column(page.map(([, value]) => value)) };
  }

  write(table, keys, values) {
    const [names, rows] = [all(keys), all(values)];
    names.forEach((key, index) => {
      if (rows[index] === "") this.tables[table].delete(key);
      else this.tables[table].set(key, rows[index]);
    });
  }

  sorted(table) {
    return [...this.tables[table]].sort(([a], [b]) => inByteOrder(a, b));
  }
}

function all(texts) {
  const found = new Texts(texts);
  return texts.ends.map((_, index) => found.at(index));
}

const diagnostics = { log() {}, panicked() {} };

/** What a component throws for the contract, as an error that a test shows. */
export class Stopped extends Error {
  constructor({ position, message }) {
    super(message);
    this.name = "Stopped";
    this.position = position;
  }
}

function stopping(call) {
  try {
    return call();
  } catch (thrown) {
    throw thrown instanceof Error ? thrown : new Stopped(thrown.tag ? { message: thrown.val } : thrown);
  }
}

function batch(events, needs) {
  const texts = (name) => column(events.map((event) => event[name]));
  return {
    positions: events.map(({ position }) => position),
    revisions: events.map(({ revision }) => revision),
    times: events.map(({ time }) => time),
    kinds: events.map(({ index }) => index),
    streams: texts("stream"),
    payloads: texts("data"),
    metadata: needs.includes("metadata") ? texts("metadata") : column([]),
    tags: needs.includes("tags") ? texts("tags") : column([]),
  };
}

/** A projector with its rows in memory, and events that follow one another in a log. */
export class Scenario {
  #projector;
  #backend;
  #component;
  #upcasters = [];
  #position = 0;
  #revisions = new Map();

  constructor(projector) {
    this.#projector = projector;
    this.#backend = new Backend(projector.tables);
    this.#restart();
  }

  #restart() {
    this.#component = projectorComponent(this.#projector, { rows: this.#backend, diagnostics });
    this.#component.describe();
  }

  /** Events go through these steps first, until the projector handles them. */
  upcastedBy(upcaster) {
    this.#upcasters.push(upcaster);
    return this;
  }

  /** An event follows. `at` may say its stream, time, tags and metadata. */
  given(kind, schema, data, { stream = "test", time = null, tags = [], metadata = null } = {}) {
    const position = this.#position++;
    const revision = this.#revisions.get(stream) ?? 0;
    this.#revisions.set(stream, revision + 1);
    const event = {
      position,
      revision,
      time: time ?? position,
      stream,
      data: typeof data === "string" ? data : JSON.stringify(data),
      tags: tags.join("\n"),
      metadata: metadata === null ? "" : JSON.stringify(metadata),
    };
    const { kinds, ignores, needs } = this.#projector;
    for (const now of this.#brought(kind, schema, event)) {
      const index = kinds.findIndex(([name, number]) => name === now.kind && number === now.schema);
      if (index >= 0) stopping(() => this.#component.apply(batch([{ ...now, index }], needs)));
      else if (!ignores.includes(now.kind) && !(ignores.includes("*") && !kinds.some(([name]) => name === now.kind))) {
        throw new Stopped({ position, message: `${now.kind} schema ${now.schema} is neither handled nor ignored` });
      }
    }
    return this;
  }

  #brought(kind, schema, event) {
    const handled = this.#projector.kinds.some(([name, number]) => name === kind && number === schema);
    for (const upcaster of handled ? [] : this.#upcasters) {
      const made = stepped(upcaster, kind, schema, event);
      if (made !== null) return made.flatMap(([name, number, data]) => this.#brought(name, number, { ...event, data }));
    }
    return [{ ...event, kind, schema }];
  }

  /** Goes on with a fresh instance, as a host may after any commit. */
  restarted() {
    stopping(() => this.#component.flush());
    this.#restart();
    return this;
  }

  /** A row as the JSON text that a host would keep, or `null`. */
  written(table, key) {
    stopping(() => this.#component.flush());
    return this.#table(table).get(key) ?? null;
  }

  /** A row, decoded, or `null`. */
  row(table, key) {
    return JSON.parse(this.written(table, key) ?? "null");
  }

  /** All rows of a table by key, in the order of their keys. */
  rows(table) {
    stopping(() => this.#component.flush());
    const index = this.#index(table);
    return Object.fromEntries(this.#backend.sorted(index).map(([key, value]) => [key, JSON.parse(value)]));
  }

  /** The answer of a named query. */
  query(name, given = {}) {
    stopping(() => this.#component.flush());
    return JSON.parse(stopping(() => this.#component.query(name, JSON.stringify(given))));
  }

  #table(name) {
    return this.#backend.tables[this.#index(name)];
  }

  #index(name) {
    const index = this.#projector.tables.findIndex((table) => table.name === name);
    if (index < 0) throw new Error(`table ${JSON.stringify(name)} is not declared`);
    return index;
  }
}

function stepped(upcaster, kind, schema, event) {
  const index = upcaster.steps.findIndex(({ from }) => from[0] === kind && from[1] === schema);
  if (index < 0) return null;
  const made = stopping(() =>
    upcasterComponent(upcaster, { diagnostics }).upcast(batch([{ ...event, index }], upcaster.needs)),
  );
  const { outputs } = upcaster.steps[index];
  return all(made.payloads).map((data, number) => [...outputs[made.kinds[number]], data]);
}

/** What an upcaster makes of one event: lists of type, schema and the data as JSON text. */
export function upcast(upcaster, kind, schema, data) {
  const written = typeof data === "string" ? data : JSON.stringify(data);
  const event = { position: 0, revision: 0, time: 0, stream: "test", data: written, tags: "", metadata: "" };
  return stepped(upcaster, kind, schema, event);
}

/** An aggregate of a decider, in a stream of its own: given events, when a command, then what was decided. */
export class Story {
  constructor(decider, id = "1") {
    this.decider = decider;
    this.id = id;
    this.component = deciderComponent(decider, { diagnostics });
    this.component.describe();
    const scope = { tag: "stream", val: `${decider.own.val}-${id}` };
    this.component.load([0], [scope], column([""]));
    this.position = 0;
  }

  /** An event has happened. */
  given(type, data = {}) {
    const index = this.decider.kinds.findIndex(([name]) => name === type);
    if (index < 0) throw new Error(`${type} is not among the events of the decider`);
    const at = { position: this.position, revision: this.position, time: 0, stream: "", tags: "", metadata: "" };
    this.position += 1;
    stopping(() => this.component.evolve([0], batch([{ ...at, index, data: JSON.stringify(data) }], [])));
    return this;
  }

  /** What is decided: `{ events }`, none if nothing changes, or `{ rejected }` with its code. */
  when(type, data = {}, time = 0) {
    const kind = this.decider.commands.findIndex(([name]) => name === type);
    if (kind < 0) throw new Error(`${type} is not among the commands of the decider`);
    const texts = { ids: column([this.id]), payloads: column([JSON.stringify(data)]) };
    const command = { ...texts, kinds: [kind], times: [time], seeds: [1], slotEnds: [1], slots: [0] };
    const { outcomes, kinds, payloads, claims } = stopping(() => this.component.decide(command));
    if (outcomes[0].tag === "rejected") return { rejected: outcomes[0].val.code };
    if (outcomes[0].tag === "wants") return { wants: outcomes[0].val };
    const made = all(payloads).map((text, index) => [this.decider.kinds[kinds[index]][0], JSON.parse(text)]);
    return { events: made, claims: claims.map(({ value, released }) => ({ value, released })) };
  }
}
