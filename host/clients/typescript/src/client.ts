/** The client: what can be asked of a host, and sessions that see what they have written. */
import { type Answer, Connection, type Retries } from "./connection.js";
import { Problem } from "./problems.js";
import { Subscription } from "./subscription.js";
import type { Appended, Decided, Event, EventPage, NewEvent, Row, Transaction } from "./types.js";

/** What a stream has to be at: its revision, `no_stream`, `exists`, or nothing at all. */
export type Expected = number | "no_stream" | "exists" | "any";

export interface Options {
  /** An API key: read it from a file or the environment. */
  key?: string;
  /** Whose requests take turns. */
  name?: string;
  /** Who it is, for the history of projections. */
  actor?: string;
  retries?: Retries;
  /** Milliseconds that one answer may take. */
  timeout?: number;
}

/** Rows, with the version that gave them and how far it was. */
export interface Rows {
  rows: Row[];
  version: number;
  position: number | undefined;
}

/** What a query can say, such as `min_position`, `order` and `limit`; of the log `types`, `tags`, `after`. */
export type Ask = Record<string, string | number | boolean | readonly string[] | undefined>;

interface Deciding {
  expected?: Expected;
  key?: string;
  dryRun?: boolean;
}

const RETRIES: Retries = { total: 30_000, first: 50, longest: 2_000 };

export class Client {
  private readonly connection: Connection;

  constructor(url = "http://127.0.0.1:7070", options: Options = {}) {
    const { key, name, actor, retries = RETRIES, timeout = 70_000 } = options;
    const headers: Record<string, string> = {};
    if (key) headers["Authorization"] = `Bearer ${key}`;
    if (name) headers["Kinora-Client"] = name;
    if (actor) headers["Kinora-Actor"] = actor;
    this.connection = new Connection(url, headers, retries, timeout);
  }

  /**
   * Appends events to a stream, all or none. Those without an id get one, so that the append can be sent again when
   * its answer is lost: it is not done twice.
   */
  async append(stream: string, events: NewEvent[], expected: Expected = "any"): Promise<Appended> {
    const url = this.connection.url(["v1", "streams", stream, "events"]);
    const body = events.map((event) => ({ ...event, id: event.id ?? crypto.randomUUID() }));
    return read(await this.connection.ask("POST", url, body, headersOf(expected)));
  }

  /** Appends to several streams, all or none, with a condition and claims. */
  async transact(transaction: Transaction, key: string = crypto.randomUUID()): Promise<Appended> {
    const url = this.connection.url(["v1", "transactions"]);
    return read(await this.connection.ask("POST", url, transaction, { "Idempotency-Key": key }));
  }

  /** The events of a stream, page after page. */
  stream(stream: string, ask: Ask = {}): AsyncGenerator<Event, void, void> {
    return this.pages(this.connection.url(["v1", "streams", stream, "events"], Object.entries(ask)));
  }

  /** The events of the log, page after page. */
  log(ask: Ask = {}): AsyncGenerator<Event, void, void> {
    return this.pages(this.connection.url(["v1", "events"], Object.entries(ask)));
  }

  private async *pages(first: string): AsyncGenerator<Event, void, void> {
    for (let url: string | undefined = first; url !== undefined; ) {
      const page: EventPage = read(await this.connection.ask("GET", url));
      yield* page.events;
      url = page.next == null ? undefined : this.connection.next(page.next);
    }
  }

  /** The events of a stream, and then each one as it comes. */
  followStream(stream: string, ask: Ask = {}, last?: string): Subscription {
    const url = this.connection.url(["v1", "streams", stream, "events"], Object.entries(ask));
    return new Subscription(this.connection, url, last);
  }

  /** The events of the log, and then each one as it comes. */
  followLog(ask: Ask = {}, last?: string): Subscription {
    return new Subscription(this.connection, this.connection.url(["v1", "events"], Object.entries(ask)), last);
  }

  /** The rows of a list, and then each one as it changes. */
  followRows(name: string, table: string, ask: Ask = {}, last?: string): Subscription {
    const url = this.connection.url(["v1", "read-models", name, table], Object.entries(ask));
    return new Subscription(this.connection, url, last);
  }

  /**
   * Has an aggregate decide a command. It has a key, so that it is decided once however often it is sent; give one to
   * say that two calls are the same command. A rejection is a `Problem` of kind `command-rejected`, with its code in
   * `more.code`.
   */
  async decide(
    decider: string,
    aggregate: string,
    command: string,
    data: unknown = {},
    how: Deciding = {},
  ): Promise<Decided> {
    const { expected = "any", key = crypto.randomUUID(), dryRun = false } = how;
    const segments = ["v1", "deciders", decider, aggregate, command];
    const url = this.connection.url(segments, dryRun ? [["dry_run", true]] : []);
    const keyed: Record<string, string> = dryRun ? {} : { "Idempotency-Key": key };
    return read(await this.connection.ask("POST", url, data, { ...headersOf(expected), ...keyed }));
  }

  /** A row, or undefined if it is not there. */
  async row<T>(name: string, table: string, key: string, ask: Ask = {}): Promise<T | undefined> {
    const answer = await this.askRow(name, table, key, ask, {});
    return answer && read(answer);
  }

  /** A page of rows; filters such as `{ flights: "gte.100" }` stand among what is asked. */
  async rows(name: string, table: string, ask: Ask = {}): Promise<Rows> {
    return rowsOf(await this.askRows(name, table, ask, {}));
  }

  /** What a projector answers itself. */
  async query<T>(name: string, query: string, args?: unknown, ask: Ask = {}): Promise<T> {
    return read(await this.askQuery(name, query, args, ask, {}));
  }

  /** What sees all that it has written, and never less than it has seen. */
  session(): Session {
    return new Session(this);
  }

  /** @internal */
  async askRow(name: string, table: string, key: string, ask: Ask, headers: Record<string, string>) {
    const url = this.connection.url(["v1", "read-models", name, table, ...key.split("/")], Object.entries(ask));
    try {
      return await this.connection.ask("GET", url, undefined, headers);
    } catch (problem) {
      if (problem instanceof Problem && problem.kind === "unknown-row") return undefined;
      throw problem;
    }
  }

  /** @internal */
  askRows(name: string, table: string, ask: Ask, headers: Record<string, string>): Promise<Answer> {
    const url = this.connection.url(["v1", "read-models", name, table], Object.entries(ask));
    return this.connection.ask("GET", url, undefined, headers);
  }

  /** @internal */
  askQuery(name: string, query: string, args: unknown, ask: Ask, headers: Record<string, string>): Promise<Answer> {
    const said = args === undefined ? ask : { ...ask, arguments: JSON.stringify(args) };
    const url = this.connection.url(["v1", "read-models", name, "queries", query], Object.entries(said));
    return this.connection.ask("GET", url, undefined, headers);
  }
}

/**
 * Reads that wait for one's own writes, and never go back behind what was seen, through promotions, rollbacks and
 * restarts.
 */
export class Session {
  /** The last event that was written here. */
  position: number | undefined;
  private readonly seen = new Map<string, { token: string; position: number }>();

  constructor(private readonly client: Client) {}

  async append(stream: string, events: NewEvent[], expected: Expected = "any"): Promise<Appended> {
    const appended = await this.client.append(stream, events, expected);
    this.wrote(appended.last_position);
    return appended;
  }

  async transact(transaction: Transaction, key?: string): Promise<Appended> {
    const appended = await this.client.transact(transaction, key);
    this.wrote(appended.last_position);
    return appended;
  }

  async decide(decider: string, aggregate: string, command: string, data?: unknown, how?: Deciding): Promise<Decided> {
    const decided = await this.client.decide(decider, aggregate, command, data, how);
    this.wrote(decided.position);
    return decided;
  }

  async row<T>(name: string, table: string, key: string, ask: Ask = {}): Promise<T | undefined> {
    const answer = await this.client.askRow(name, table, key, this.asked(ask), this.headers(name));
    return answer && read(this.saw(name, answer));
  }

  async rows(name: string, table: string, ask: Ask = {}): Promise<Rows> {
    return rowsOf(this.saw(name, await this.client.askRows(name, table, this.asked(ask), this.headers(name))));
  }

  async query<T>(name: string, query: string, args?: unknown, ask: Ask = {}): Promise<T> {
    return read(this.saw(name, await this.client.askQuery(name, query, args, this.asked(ask), this.headers(name))));
  }

  private wrote(position: number | undefined): void {
    if (position !== undefined) this.position = Math.max(this.position ?? 0, position);
  }

  private asked(ask: Ask): Ask {
    // Whoever asks for more waits for more; for less there is no session.
    const wanted = [this.position, ask.min_position].filter((position) => position !== undefined).map(Number);
    return wanted.length === 0 ? ask : { ...ask, min_position: Math.max(...wanted) };
  }

  private headers(name: string): Record<string, string> {
    const seen = this.seen.get(name);
    return seen === undefined ? {} : { "Kinora-Session": seen.token };
  }

  private saw(name: string, answer: Answer): Answer {
    const token = answer.headers.get("kinora-session");
    const position = Number(answer.headers.get("kinora-position") || -1);
    // Of queries that run side by side, the answer that comes last need not be the one that has seen most.
    const known = this.seen.get(name);
    if (token !== null && (known === undefined || position >= known.position)) this.seen.set(name, { token, position });
    return answer;
  }
}

function read<T>(answer: Answer): T {
  return JSON.parse(answer.body) as T;
}

function rowsOf(answer: Answer): Rows {
  const position = answer.headers.get("kinora-position");
  const { rows } = read<{ rows: Row[] }>(answer);
  const version = Number(answer.headers.get("kinora-version"));
  return { rows, version, position: position === null || position === "" ? undefined : Number(position) };
}

function headersOf(expected: Expected): Record<string, string> {
  switch (expected) {
    case "any":
      return {};
    case "no_stream":
      return { "If-None-Match": "*" };
    case "exists":
      return { "If-Match": "*" };
    default:
      return { "If-Match": `"${expected}"` };
  }
}
