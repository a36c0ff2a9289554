//! Surroundings of a guest: what engines offer and a host does not, in words that say so.

import { Fault } from "./fault.js";

function refused(what) {
  return () => {
    throw new Fault(
      `${what} has no place in a guest: the same events have to give the same rows. Take it from the event`,
    );
  };
}

/** From now on chance and clocks are faults, and lines for the console are lines for the host. */
export function surround({ log }) {
  const said =
    (level) =>
    (...values) =>
      log(level, values.map(shown).join(" "));
  const [debug, info, warn, error] = ["debug", "info", "warn", "error"].map(said);
  globalThis.console = { debug, log: info, info, warn, error, trace: debug };
  Math.random = refused("Math.random()");
  const RealDate = Date;
  const now = refused("the current time");
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, given, made) => (given.length === 0 ? now() : Reflect.construct(target, given, made)),
    apply: now,
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  });
  if (typeof performance !== "undefined") globalThis.performance = { now };
}

function shown(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}
