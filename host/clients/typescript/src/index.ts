/**
 * A client for Kinora, on `fetch` alone: for Node.js from 20 on, and for browsers.
 *
 * - An append is sent again with the same ids if its answer is lost, and a command with the same key: nothing is done
 *   twice.
 * - A subscription goes on behind the last message when its connection breaks.
 * - A session sees what it has written itself, and never goes back behind what it has seen.
 * - What the host refuses is a `Problem`, with its kind and with what to do.
 */
export { Client, Session } from "./client.js";
export type { Expected, Options, Rows } from "./client.js";
export type { Retries } from "./connection.js";
export { Problem, Unreachable } from "./problems.js";
export type { Message, Subscription } from "./subscription.js";
export type * from "./types.js";
