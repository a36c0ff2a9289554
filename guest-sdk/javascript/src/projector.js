//! Projectors: what one declares, and the component that folds events into its rows.

import { forEachEvent } from "./event.js";
import { Fault, InvalidArguments, faultOf, said } from "./fault.js";
import { asField } from "./fields.js";
import { reported } from "./reported.js";
import { Rows } from "./rows.js";

/** Rows are read ahead where more than one event in this many needs one that is not in memory. */
const READS_FROM_ONE_IN = 16;

/** Declares a projector. See `index.d.ts`. */
export function projector(declared) {
  const {
    name,
    handles,
    ignores = [],
    tables = [],
    queries = {},
    needs = [],
    partition = null,
    apply,
    touches,
  } = declared;
  if (typeof apply !== "function") throw new TypeError("a projector has a function `apply`");
  const kinds = typed(handles);
  return { world: "projector", name, kinds, ignores, tables, queries, needs, partition, apply, touches };
}

/** `{ FlightDeparted: 2 }` as pairs; a list stands for several schemas of one type. */
export function typed(handles) {
  return Object.entries(handles).flatMap(([kind, schemas]) => [schemas].flat().map((schema) => [kind, schema]));
}

export function needed(needs) {
  return { metadata: needs.includes("metadata"), tags: needs.includes("tags") };
}

function schemaText(field) {
  return field === undefined || field === null ? undefined : JSON.stringify(asField(field).schema);
}

function manifest(projector) {
  const index =
    (unique) =>
    ([name, paths]) => ({ name, paths, unique });
  const table = (table) => ({
    name: table.name,
    key: table.key,
    schema: Object.keys(table.row.schema).length === 0 ? undefined : JSON.stringify(table.row.schema),
    indexes: [...Object.entries(table.indexes).map(index(false)), ...Object.entries(table.unique).map(index(true))],
    history: table.history ?? undefined,
  });
  const query = ([name, { description, arguments: taken, answer }]) => {
    return { name, description, arguments: schemaText(taken), answer: schemaText(answer) };
  };
  const { partition } = projector;
  return {
    name: projector.name,
    handles: projector.kinds.map(([name, schema]) => ({ name, schema })),
    ignores: projector.ignores,
    tables: projector.tables.map(table),
    queries: Object.entries(projector.queries).map(query),
    needs: needed(projector.needs),
    partition:
      partition === null ? undefined : partition === "stream" ? { tag: "stream" } : { tag: "tag", val: partition.tag },
  };
}

/** The exports of the component. `host` has what it imports: `rows`, and `diagnostics`. */
export function projectorComponent(projector, host) {
  const rows = new Rows(projector.tables, host.rows);
  let readsMuch = false;

  function readAhead(batch) {
    forEachEvent(batch, projector.kinds, (event) => projector.touches(event, rows));
    rows.fetch();
  }

  return {
    describe: () => reported(host, () => manifest(projector)),

    apply(batch) {
      let current = -1;
      try {
        if (readsMuch && projector.touches) readAhead(batch);
        forEachEvent(batch, projector.kinds, (event, index) => {
          current = index;
          projector.apply(event, rows);
        });
      } catch (thrown) {
        throw faultOf(thrown, batch.positions[current]);
      }
      readsMuch = rows.readSince() * READS_FROM_ONE_IN > batch.kinds.length;
    },

    flush() {
      try {
        rows.flush();
      } catch (thrown) {
        throw faultOf(thrown, null);
      }
    },

    query(name, given) {
      try {
        const query = projector.queries[name];
        if (query === undefined) throw new Fault(`query ${JSON.stringify(name)} is not declared`);
        const answer = query.run(JSON.parse(given), rows);
        return query.answer ? asField(query.answer).encode(answer) : JSON.stringify(answer);
      } catch (thrown) {
        if (thrown instanceof InvalidArguments) throw { tag: "invalid-arguments", val: thrown.message };
        throw { tag: "failed", val: said(thrown) };
      }
    },
  };
}
