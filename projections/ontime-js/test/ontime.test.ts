//! Tests of the projector, without WebAssembly and without a host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scenario } from "kinora-sdk/testing";
import ontime from "../src/ontime.ts";

const FLIGHT = { carrier: "UA", flight: 1545, origin: "EWR", dest: "IAH" };

test("a flight counts for its carrier, both airports and its route", () => {
  const scenario = new Scenario(ontime);
  scenario.given("FlightScheduled", 1, FLIGHT);
  scenario.given("FlightDeparted", 2, { ...FLIGHT, delay_minutes: 2 });
  scenario.restarted();
  scenario.given("FlightArrived", 1, { ...FLIGHT, delay_minutes: 15 });
  const expected =
    '{"flights":1,"departed":1,"arrived":1,"cancelled":0,"departure_delay":2,"mean_departure_delay":2.0,' +
    '"timed":1,"arrival_delay":15,"mean_arrival_delay":15.0,"on_time":1,"share_on_time":1.0}';
  assert.equal(scenario.written("carriers", "UA"), expected);
  assert.equal(scenario.written("routes", "EWR-IAH"), expected);
  assert.ok(scenario.written("airports", "EWR")?.startsWith(`{"outbound":${expected}`));
  assert.ok(scenario.written("airports", "IAH")?.endsWith(`"inbound":${expected}}`));
});

test("a diverted flight arrives without a delay", () => {
  const scenario = new Scenario(ontime).given("FlightArrived", 1, { ...FLIGHT, delay_minutes: null });
  assert.deepEqual([scenario.row("carriers", "UA").arrived, scenario.row("carriers", "UA").share_on_time], [1, null]);
});

test("an old departure has to be upcast first", () => {
  assert.throws(() => new Scenario(ontime).given("FlightDeparted", 1, {}), /neither handled nor ignored/);
});
