//! Fold of the flights in native Node, by the same projector and SDK, in batches as a host hands them over.

import { readFileSync } from "node:fs";
import ontime from "../../../projections/ontime-js/src/ontime.ts";
import { projectorComponent } from "../../../guest-sdk/javascript/src/projector.js";
import { column } from "../../../guest-sdk/javascript/src/text.js";

const BATCH = 4096;
const kinds = ["FlightScheduled", "FlightDeparted", "FlightArrived", "FlightCancelled"];
const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
const events = lines.map((line) => JSON.parse(line));
const batches: any[] = [];
for (let start = 0; start < events.length; start += BATCH) {
  const some = events.slice(start, start + BATCH);
  batches.push({
    positions: some.map((_, index) => start + index),
    kinds: some.map(({ type }) => kinds.indexOf(type)),
    streams: column(some.map(({ stream }) => stream)),
    payloads: column(some.map(({ data }) => JSON.stringify(data))),
    metadata: column([]),
    tags: column([]),
  });
}
const rows = {
  getMany: (_table: number, keys: { ends: number[] }) => column(keys.ends.map(() => "")),
  scan: () => ({ keys: column([]), values: column([]) }),
  write() {},
};
const component = projectorComponent(ontime, { rows, diagnostics: { log() {}, panicked() {} } });
const began = performance.now();
for (const batch of batches) component.apply(batch);
component.flush();
console.log(Math.round(events.length / ((performance.now() - began) / 1000)));
