//! The SDK for Kinora's projectors, upcasters and deciders in JavaScript and TypeScript.

export {
  boolean,
  distinct,
  hidden,
  histogram,
  integer,
  json,
  list,
  map,
  nullable,
  number,
  object,
  quantiles,
  summary,
  text,
} from "./fields.js";
export { Histogram, Summary } from "./figures.js";
export { Distinct } from "./sketches/distinct.js";
export { Quantiles } from "./sketches/quantiles.js";
export { Fault, InvalidArguments } from "./fault.js";
export { Rejection, decider } from "./decider.js";
export { Table, compositeKey } from "./rows.js";
export { projector } from "./projector.js";
export { DROP, upcaster } from "./upcaster.js";

import { Table } from "./rows.js";

/** Declares a table of the read model. */
export function table(name, declared) {
  return new Table(name, declared);
}
