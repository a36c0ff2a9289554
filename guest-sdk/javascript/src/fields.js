//! Fields of rows: which JSON they are, what they begin as, and how they are written byte for byte.

import { Histogram, Summary } from "./figures.js";
import { Distinct } from "./sketches/distinct.js";
import { Quantiles } from "./sketches/quantiles.js";
import { inByteOrder } from "./text.js";

/** A kind of value. `decode` is absent where JSON is the value itself. */
class Field {
  constructor({ schema, initial, encode, decode = null }) {
    Object.assign(this, { schema, initial, encode, decode });
  }
}

function expected(what, value) {
  const shown = typeof value === "object" && value !== null ? "an object" : String(value);
  throw new TypeError(`expected ${what}, found ${typeof value === "string" ? JSON.stringify(value) : shown}`);
}

/** A number as Rust and its serde_json write a float: with a point or an exponent, the shortest that reads back. */
export function writtenFloat(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) expected("a finite number", value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential();
  if (Number.isInteger(value)) return Object.is(value, -0) ? "-0.0" : `${value}.0`;
  return String(value);
}

export const integer = new Field({
  schema: { type: "integer" },
  initial: () => 0,
  encode: (value) => (Number.isSafeInteger(value) ? String(value) : expected("an integer below 2^53", value)),
});

export const number = new Field({ schema: { type: "number" }, initial: () => 0, encode: writtenFloat });

export const text = new Field({
  schema: { type: "string" },
  initial: () => "",
  encode: (value) => (typeof value === "string" ? JSON.stringify(value) : expected("a text", value)),
});

export const boolean = new Field({
  schema: { type: "boolean" },
  initial: () => false,
  encode: (value) => (typeof value === "boolean" ? String(value) : expected("true or false", value)),
});

/** Any JSON, written as JSON.stringify writes it. */
export const json = new Field({
  schema: {},
  initial: () => null,
  encode: (value) => JSON.stringify(value) ?? expected("JSON", value),
});

export function nullable(inner) {
  const field = asField(inner);
  const { type, ...rest } = field.schema;
  const schema =
    typeof type === "string" ? { type: [type, "null"], ...rest } : { anyOf: [field.schema, { type: "null" }] };
  return new Field({
    schema,
    initial: () => null,
    encode: (value) => (value === null || value === undefined ? "null" : field.encode(value)),
    decode: field.decode && ((value) => (value === null ? null : field.decode(value))),
  });
}

export function list(inner) {
  const field = asField(inner);
  return new Field({
    schema: { type: "array", items: field.schema },
    initial: () => [],
    encode: (value) => (Array.isArray(value) ? `[${value.map(field.encode).join(",")}]` : expected("a list", value)),
    decode: field.decode && ((value) => value.map(field.decode)),
  });
}

/** Values by name. They are written in the order of their names, whatever the order in which they came. */
export function map(inner) {
  const field = asField(inner);
  const encode = (value) => {
    if (typeof value !== "object" || value === null) return expected("an object", value);
    const names = Object.keys(value).sort(inByteOrder);
    return `{${names.map((name) => `${JSON.stringify(name)}:${field.encode(value[name])}`).join(",")}}`;
  };
  const decode = (value) =>
    Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, field.decode(inside)]));
  return new Field({
    schema: { type: "object", additionalProperties: field.schema },
    initial: () => ({}),
    encode,
    decode: field.decode && decode,
  });
}

/** Members in this order, and no others. */
export function object(members) {
  const fields = Object.entries(members).map(([name, inner]) => [name, asField(inner)]);
  const heads = fields.map(([name], index) => `${index === 0 ? "{" : ","}${JSON.stringify(name)}:`);
  const encode = (value) => {
    if (typeof value !== "object" || value === null) return expected("an object", value);
    let written = "";
    for (let index = 0; index < fields.length; index++) {
      const [name, field] = fields[index];
      try {
        written += heads[index] + field.encode(value[name]);
      } catch (cause) {
        if (!(cause instanceof TypeError)) throw cause;
        throw new TypeError(`${name}: ${cause.message}`);
      }
    }
    return fields.length === 0 ? "{}" : `${written}}`;
  };
  const decoded = fields.filter(([, field]) => field.decode);
  const decode = (value) => {
    for (const [name, field] of decoded) if (name in value) value[name] = field.decode(value[name]);
    return value;
  };
  return new Field({
    schema: {
      type: "object",
      properties: Object.fromEntries(fields.map(([name, field]) => [name, field.schema])),
      required: fields.map(([name]) => name),
      additionalProperties: false,
    },
    initial: () => {
      const made = {};
      for (const [name, field] of fields) made[name] = field.initial();
      return made;
    },
    encode,
    decode: decoded.length === 0 ? null : decode,
  });
}

/** Stored, and handed back to the projector, but not shown to readers. */
export function hidden(inner) {
  const field = asField(inner);
  return new Field({ ...field, schema: { ...field.schema, writeOnly: true } });
}

/** A figure: see {@link Summary}. */
export const summary = figure(
  Summary,
  object({ count: integer, sum: number, mean: nullable(number), min: nullable(number), max: nullable(number) }),
);

/** A figure: see {@link Histogram}. */
export const histogram = figure(Histogram, object({ edges: list(number), counts: list(integer) }));

const store = {
  bins: list(integer),
  count: integer,
  min_key: integer,
  max_key: integer,
  offset: integer,
  bin_limit: integer,
  is_collapsed: boolean,
};
const sketch = {
  config: { max_num_bins: integer, gamma: number, gamma_ln: number, min_value: number, offset: integer },
  store,
  negative_store: store,
  min: number,
  max: number,
  sum: number,
  zero_count: integer,
};
const known = nullable(number);

/** A figure: see {@link Quantiles}. */
export const quantiles = figure(
  Quantiles,
  object({ count: integer, min: known, p50: known, p90: known, p99: known, max: known, sketch: hidden(nullable(sketch)) }),
);

/** A figure: see {@link Distinct}. */
export const distinct = figure(Distinct, object({ estimate: integer, sketch: hidden(text) }));

function figure(Figure, field) {
  return new Field({ ...field, initial: () => new Figure(), decode: (value) => new Figure(value) });
}

/** A plain object of fields is an object with these members. */
export function asField(given) {
  if (given instanceof Field) return given;
  if (typeof given === "object" && given !== null) return object(given);
  throw new TypeError(`a field is integer, number, text, boolean, nullable(...) or the like, not ${String(given)}`);
}
