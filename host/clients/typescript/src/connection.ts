/** A connection to a host: requests that are sent again until they have an answer. */
import { Problem, Unreachable } from "./problems.js";

/** How long a request is sent again, with pauses that double from `first` to `longest`; all in milliseconds. */
export interface Retries {
  total: number;
  first: number;
  longest: number;
}

export type Parameters = Iterable<readonly [string, unknown]>;

/** Statuses with which a host or what is in front of it asks for patience. */
export const BUSY = [429, 502, 503, 504];

export interface Answer {
  headers: Headers;
  body: string;
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Many clients that have lost the same host must not come back at the same moment. */
export const pauseOf = (retries: Retries, attempt: number): number =>
  Math.min(retries.longest, retries.first * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2);

export class Connection {
  constructor(
    private readonly base: string,
    private readonly headers: Record<string, string>,
    readonly retries: Retries,
    private readonly timeout: number,
  ) {
    if (!["http:", "https:"].includes(new URL(base).protocol)) {
      throw new TypeError(`${base} is not the address of a host, such as http://127.0.0.1:7070`);
    }
  }

  url(segments: readonly string[], parameters: Parameters = []): string {
    const bad = segments.find((one) => ["", ".", ".."].includes(one));
    // Paths give these a meaning of their own, encoded or not: `..` would ask for something else.
    if (bad !== undefined) throw new TypeError(`the name "${bad}" cannot stand in a path: names are not empty, . or ..`);
    const url = new URL(this.base);
    url.pathname = url.pathname.replace(/\/$/, "") + segments.map((one) => `/${encodeURIComponent(one)}`).join("");
    for (const [name, value] of parameters) {
      if (value !== undefined && value !== null) url.searchParams.append(name, String(value));
    }
    return url.href;
  }

  /** The address that a page names for the next one. */
  next(path: string): string {
    return new URL(path, this.base).href;
  }

  /** Asks until there is an answer. Whatever is sent must be harmless when it is sent twice. */
  async ask(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const kind = body === undefined ? {} : { "Content-Type": "application/json" };
    const end = Date.now() + this.retries.total;
    for (let attempt = 0; ; attempt += 1) {
      let why: Error;
      let pause = pauseOf(this.retries, attempt);
      try {
        const signal = AbortSignal.timeout(this.timeout);
        const response = await fetch(url, { method, signal, headers: { ...this.headers, ...kind, ...headers }, ...content });
        const text = await response.text();
        if (response.ok) return { headers: response.headers, body: text };
        why = Problem.of(response.status, text);
        const after = Number(response.headers.get("retry-after") ?? NaN);
        // A host that says when is busy; one that does not say means it.
        if (!BUSY.includes(response.status) || Number.isNaN(after)) throw why;
        pause = Math.max(pause, after * 1000);
      } catch (cause) {
        if (cause instanceof Problem) throw cause;
        why = new Unreachable(`no answer from ${this.base}`, cause);
      }
      if (Date.now() + pause > end) throw why;
      await sleep(pause);
    }
  }

  /** An answer that comes bit by bit. */
  async open(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await fetch(url, { signal, headers: { ...this.headers, ...headers } });
    if (!response.ok || response.body === null) throw Problem.of(response.status, await response.text());
    return response.body;
  }
}
