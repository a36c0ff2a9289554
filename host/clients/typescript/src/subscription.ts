/** Subscriptions: messages as they come, over as many connections as it takes. */
import { BUSY, type Connection, pauseOf, sleep } from "./connection.js";
import { Problem, Unreachable } from "./problems.js";

/** Milliseconds without a word after which a connection is taken for broken: a host says something every 15 s. */
const SILENCE = 45_000;

/** What a host says: its kind, such as `event` or `caught-up`, and its data. `id` is what one goes on behind. */
export interface Message<T = unknown> {
  id: string;
  kind: string;
  data: T;
}

/**
 * Messages that go on behind the last one when a connection breaks, and so lose and repeat nothing. `last` may be
 * kept, and given to another subscription to go on there. It ends with `break` in a loop.
 */
export class Subscription implements AsyncIterable<Message> {
  constructor(
    private readonly connection: Connection,
    private readonly url: string,
    public last: string | undefined,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    const { retries } = this.connection;
    let [attempt, heard] = [0, Date.now()];
    for (;;) {
      let final: Problem | undefined;
      let why: Error = new Unreachable("the host has ended the subscription, and cannot be reached again", undefined);
      try {
        for await (const message of this.once()) {
          [attempt, heard] = [0, Date.now()];
          if (message.kind === "problem") throw (final = new Problem(message.data as Record<string, unknown>));
          this.last = message.id || this.last;
          yield message;
          // Whoever takes messages may take time over one.
          heard = Date.now();
        }
      } catch (cause) {
        if (cause instanceof Problem && (cause === final || !BUSY.includes(cause.status))) throw cause;
        why = cause instanceof Problem ? cause : new Unreachable("the subscription is broken", cause);
      }
      const pause = pauseOf(retries, attempt);
      if (Date.now() + pause - heard > retries.total + SILENCE) throw why;
      attempt += 1;
      await sleep(pause);
    }
  }

  /** The messages of one connection. */
  private async *once(): AsyncGenerator<Message, void, void> {
    const abort = new AbortController();
    let silence = setTimeout(() => abort.abort(), SILENCE);
    try {
      const last: Record<string, string> = this.last === undefined ? {} : { "Last-Event-ID": this.last };
      const body = await this.connection.open(this.url, { Accept: "text/event-stream", ...last }, abort.signal);
      const [reader, decoder, parser] = [body.getReader(), new TextDecoder(), new Parser()];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        yield* parser.push(decoder.decode(value, { stream: true }));
        silence = setTimeout(() => abort.abort(), SILENCE);
      }
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }
}

/**
 * A parser of event streams (https://html.spec.whatwg.org/multipage/server-sent-events.html). A message that is cut
 * off is none.
 */
export class Parser {
  private rest = "";
  private id = "";
  private kind = "message";
  private data: string[] = [];

  *push(text: string): Generator<Message, void, void> {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = this.line(line.replace(/\r$/, ""));
      if (message !== undefined) yield message;
    }
  }

  private line(line: string): Message | undefined {
    if (line === "") {
      const [kind, data] = [this.kind, this.data];
      [this.kind, this.data] = ["message", []];
      return data.length === 0 ? undefined : { id: this.id, kind, data: JSON.parse(data.join("\n")) };
    }
    const colon = line.indexOf(":");
    const [field, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "data") this.data.push(value);
    else if (field === "event") this.kind = value;
    else if (field === "id") this.id = value;
    return undefined;
  }
}
