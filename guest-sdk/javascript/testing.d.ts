//! Types of what unit tests use.

import type { Decider, Projector, Upcaster } from "./index.js";

/** What a host would stop a version with. */
export class Stopped extends Error {
  readonly position?: number;
}

export interface At {
  stream?: string;
  /** Microseconds since the Unix epoch. */
  time?: number;
  tags?: string[];
  metadata?: unknown;
}

/** A projector with its rows in memory, and events that follow one another in a log. */
export class Scenario {
  constructor(projector: Projector);
  upcastedBy(upcaster: Upcaster): this;
  /** An event follows. Its data is JSON text, or what is to be written as such. */
  given(kind: string, schema: number, data: unknown, at?: At): this;
  /** Goes on with a fresh instance, as a host may after any commit. */
  restarted(): this;
  /** A row as the JSON text that a host would keep. */
  written(table: string, key: string): string | null;
  row(table: string, key: string): any;
  rows(table: string): Record<string, any>;
  query(name: string, given?: unknown): any;
}

/** What an upcaster makes of one event: lists of type, schema and the data as JSON text. */
export function upcast(upcaster: Upcaster, kind: string, schema: number, data: unknown): [string, number, string][];

/** An aggregate of a decider: given events, when a command, then what was decided. */
export class Story {
  constructor(decider: Decider, id?: string);
  given(type: string, data?: unknown): this;
  when(type: string, data?: unknown, time?: number): any;
}
