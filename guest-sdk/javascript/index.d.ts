//! Types of the SDK.

/** A kind of value: how it is declared to readers, what it begins as, and how it is written byte for byte. */
export interface Field<T> {
  readonly schema: Record<string, unknown>;
  initial(): T;
  encode(value: T): string;
}

/** A field, or the members of an object. */
export type Fields = Field<any> | { readonly [name: string]: Fields };

/** The values of fields. */
export type FieldsOf<F> = F extends Field<infer T> ? T : { -readonly [K in keyof F]: FieldsOf<F[K]> };

/** A whole number below 2^53. */
export const integer: Field<number>;
/** Any finite number. It is written with a point or an exponent, as Rust writes a float: `2.0`. */
export const number: Field<number>;
export const text: Field<string>;
export const boolean: Field<boolean>;
/** Any JSON. Its names stand in the order in which they were set. */
export const json: Field<any>;
export function nullable<F extends Fields>(inner: F): Field<FieldsOf<F> | null>;
export function list<F extends Fields>(inner: F): Field<FieldsOf<F>[]>;
/** Values by name, written in the order of their names. */
export function map<F extends Fields>(inner: F): Field<Record<string, FieldsOf<F>>>;
export function object<F extends { readonly [name: string]: Fields }>(members: F): Field<FieldsOf<F>>;
/** Stored, and handed back to the projector, but not shown to readers. */
export function hidden<F extends Fields>(inner: F): Field<FieldsOf<F>>;
export const summary: Field<Summary>;
export const histogram: Field<Histogram>;
export const quantiles: Field<Quantiles>;
export const distinct: Field<Distinct>;

/** Count, sum, mean, least and greatest of some numbers. */
export class Summary {
  readonly count: number;
  readonly sum: number;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Adds a number. One that is not finite is ignored. */
  add(value: number): void;
}

/** How many values lie below each of some edges, from the edge before on; the last count is of those above all. */
export class Histogram {
  readonly edges: number[];
  readonly counts: number[];
  /** Counts a value. `edges` are the same for all values of a histogram: finite, and ascending. */
  add(value: number, edges: readonly number[]): void;
}

/** Quantiles of any number of values, each within 1 % of the value, in some kilobytes. */
export class Quantiles {
  readonly count: number;
  readonly min: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Adds a value. One that is not finite is ignored. */
  add(value: number): void;
  /** The value that this share of all, from 0 to 1, is not above; `null` as long as there are no values. */
  quantile(share: number): number | null;
}

/** How many different values there were, within about 2 %, in 2 kilobytes at most. */
export class Distinct {
  /** To the nearest integer. */
  readonly estimate: number;
  /** Counts a value, unless it was there before. */
  add(value: string): void;
}

/** Stops this version, with a sentence. */
export class Fault extends Error {
  constructor(message: string, position?: number | null);
  readonly position: number | null;
}

/** The arguments of a named query do not fit. */
export class InvalidArguments extends Error {}

/** A table of the read model. */
export interface Table<Row> {
  readonly name: string;
  readonly rowType?: Row;
}

/** By name, the fields that an index orders by: `delay.mean`, `-flights` for greater values first, `tags[]`. */
export type Indexes = { readonly [name: string]: readonly string[] };

export interface TableDeclared<F extends Fields> {
  /** What a key stands for; the parts of a composite one are separated by slashes: `date/route`. */
  key: string;
  row: F;
  indexes?: Indexes;
  /** No two rows may have the same values here. */
  unique?: Indexes;
  /** Keeps what rows were after each of the last so many events, 0 for all. */
  history?: number;
}

export function table<F extends Fields>(name: string, declared: TableDeclared<F>): Table<FieldsOf<F>>;
/** A key of several parts. A slash within a part becomes `%2F`, a percent sign `%25`. */
export function compositeKey(...parts: string[]): string;

export interface Event<Data> {
  /** The name of its type, such as `FlightDeparted`. */
  readonly kind: string;
  /** The version of its type's schema, from 1. */
  readonly schema: number;
  readonly data: Data;
  /** Its place in the log, from 0. */
  readonly position: number;
  /** Its place in its stream, from 0. */
  readonly revision: number;
  /** When it was appended: microseconds since the Unix epoch. */
  readonly time: number;
  readonly stream: string;
  /** `null` where it has none, and always unless the guest needs metadata. */
  readonly metadata: any;
  /** None unless the guest needs tags. */
  readonly tags: string[];
  /** A fault at this event, to be thrown. */
  fault(message: string): Fault;
  unhandled(): Fault;
}

export interface Scan {
  from?: string;
  to?: string;
  reverse?: boolean;
}

export interface Rows {
  /** A row to change; a new one if there is none. */
  entry<Row>(table: Table<Row>, key: string): Row;
  /** A row to look at, or `null`. */
  get<Row>(table: Table<Row>, key: string): Readonly<Row> | null;
  /** Puts a row, whatever was there: nothing is read for it. */
  put<Row>(table: Table<Row>, key: string, row: Row): void;
  delete<Row>(table: Table<Row>, key: string): void;
  /** Keys and rows in the order of their keys, from `from` (included) to `to` (not included). */
  scan<Row>(table: Table<Row>, scan?: Scan): Generator<[string, Row]>;
}

export interface Wanted {
  /** This row, which an event is going to touch. */
  want<Row>(table: Table<Row>, key: string): void;
}

export interface Query {
  description: string;
  /** What the host checks calls and answers against. */
  arguments?: Fields;
  answer?: Fields;
  run(given: any, rows: Rows): unknown;
}

export interface ProjectorDeclared<Data> {
  name: string;
  /** Types and schemas of the events that come to `apply`. */
  handles: { readonly [kind: string]: number | readonly number[] };
  /** Types that are passed over, whatever their schema. `*` stands for all that is not handled. */
  ignores?: readonly string[];
  tables: readonly Table<any>[];
  queries?: { readonly [name: string]: Query };
  needs?: readonly ("metadata" | "tags")[];
  /** What a row depends on, if it is less than all events: those of a stream, or with a tag that begins so. */
  partition?: "stream" | { tag: string };
  apply(event: Event<Data>, rows: Rows): void;
  /** Names rows that an event is going to touch: while many are not in memory, they are read at once. */
  touches?(event: Event<Data>, rows: Wanted): void;
}

export interface Projector {
  readonly world: "projector";
}

export function projector<Data = any>(declared: ProjectorDeclared<Data>): Projector;

export type EventType = readonly [kind: string, schema: number];

/** What a step returns for an event that it drops on purpose. */
export const DROP: unique symbol;

export interface Step<Old, New> {
  from: EventType;
  to: EventType;
  /** What the new data is: it is then written in this order, with floats as Rust writes them. */
  fields?: Fields;
  convert(old: Old, event: Event<Old>): New | typeof DROP;
}

/** A step that makes any number of events of one. */
export interface StepToMany<Old> {
  from: EventType;
  to: readonly EventType[];
  fields?: readonly Fields[];
  convert(old: Old, event: Event<Old>): [kind: string, schema: number, data: unknown][] | typeof DROP;
}

export interface Upcaster {
  readonly world: "upcaster";
}

export function upcaster(declared: {
  name: string;
  steps: readonly (Step<any, any> | StepToMany<any>)[];
  needs?: readonly ("metadata" | "tags")[];
}): Upcaster;

/** A business "no", to be thrown by `decide`. The code is in snake_case. */
export class Rejection extends Error {
  constructor(code: string, message: string, details?: Record<string, unknown>);
  readonly code: string;
}

/** A command or an event of a decider. */
export interface Said {
  type: string;
  data?: any;
}

export interface Context<State> {
  /** The id of the aggregate. */
  readonly id: string;
  /** When the command came: microseconds since the Unix epoch. There is no other time. */
  readonly time: number;
  /** A number from 0 up to 1 that looks random, and follows from the id of the command. */
  random(): number;
  /** The state of another aggregate of this decider. */
  other(id: string): Readonly<State>;
  /** The state of another stream. Where it is not there yet, the command comes again with it. */
  stream(name: string): Readonly<State>;
  /** The state of the events that have all of these tags. */
  tagged(...tags: string[]): Readonly<State>;
}

export interface Claim {
  scope: string;
  value: string;
  /** Given up, and not taken. */
  released?: boolean;
}

export interface DeciderDeclared<State> {
  name: string;
  /** An aggregate is the stream `CATEGORY-ID`; the name if this and `tag` are left out. */
  category?: string;
  /** An aggregate is all events with the tag `TAG:ID`. */
  tag?: string;
  commands: { readonly [type: string]: { description: string; data?: Fields } };
  events: { readonly [type: string]: { schema?: number; data?: Fields } };
  ignores?: readonly string[];
  /** Values that one stream at a time may hold, and what a command is rejected with if another holds one. */
  claims?: { readonly [scope: string]: { code: string; message: string } };
  /** The state before the first event. It is kept as JSON. */
  initial(): State;
  /** Events, none if all is as the command wants it; or it throws a `Rejection`. It leaves the state as it is. */
  decide(state: Readonly<State>, command: Required<Said>, context: Context<State>): Said[] | void;
  /** The state after an event: a new one, or the same, changed. */
  evolve(state: State, event: Required<Said>): State | void;
  /** The stream that an event goes to, if it is not that of the aggregate. */
  stream?(event: Said, id: string): string | null;
  tags?(event: Said): string[];
  /** What an event claims or gives up. */
  claimed?(event: Said): Claim[];
}

export interface Decider {
  readonly world: "decider";
}

export function decider<State>(declared: DeciderDeclared<State>): Decider;
