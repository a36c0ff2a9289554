//! Projector of punctuality, of carriers, airports and routes: the first version, as `ontime-v1` has it in Rust.

import { type FieldsOf, integer, nullable, number, projector, table } from "kinora-sdk";

/** A flight is on time if it arrives at most so many minutes late. */
const ON_TIME_MINUTES = 15;

/** Figures of some flights. */
const TALLY = {
  /** Flights that were scheduled. */
  flights: integer,
  departed: integer,
  arrived: integer,
  cancelled: integer,
  /** Sum and mean over departed flights, in minutes; early ones count as negative. */
  departure_delay: integer,
  mean_departure_delay: nullable(number),
  /** Arrived flights whose delay is known: a diverted flight has none. */
  timed: integer,
  /** Sum and mean over timed flights, in minutes; early ones count as negative. */
  arrival_delay: integer,
  mean_arrival_delay: nullable(number),
  /** Timed flights that were on time, and their share. */
  on_time: integer,
  share_on_time: nullable(number),
};
type Tally = FieldsOf<typeof TALLY>;

const carriers = table("carriers", {
  key: "carrier",
  row: TALLY,
  indexes: { by_flights: ["flights"], by_share_on_time: ["share_on_time"] },
});
const airports = table("airports", {
  key: "airport",
  /** Flights that leave here, and flights that come here. */
  row: { outbound: TALLY, inbound: TALLY },
  indexes: { by_outbound_flights: ["outbound.flights"] },
});
const routes = table("routes", {
  key: "origin-destination",
  row: TALLY,
  indexes: { by_flights: ["flights"], by_mean_arrival_delay: ["mean_arrival_delay"] },
});

/** What all events of a flight have, and what some have. */
interface Flight {
  carrier: string;
  origin: string;
  dest: string;
  delay_minutes?: number | null;
}

/** To four decimals. Rust rounds a half away from zero, Math.round up. */
function ratio(sum: number, count: number): number | null {
  if (count === 0) return null;
  const scaled = (sum / count) * 10_000;
  const size = Math.abs(scaled);
  const whole = Math.floor(size);
  return (Math.sign(scaled) * (size - whole >= 0.5 ? whole + 1 : whole)) / 10_000;
}

function depart(tally: Tally, delay: number): void {
  tally.departed += 1;
  tally.departure_delay += delay;
  tally.mean_departure_delay = ratio(tally.departure_delay, tally.departed);
}

function arrive(tally: Tally, delay: number | null | undefined): void {
  tally.arrived += 1;
  if (delay === null || delay === undefined) return;
  tally.timed += 1;
  tally.arrival_delay += delay;
  tally.mean_arrival_delay = ratio(tally.arrival_delay, tally.timed);
  if (delay <= ON_TIME_MINUTES) tally.on_time += 1;
  tally.share_on_time = ratio(tally.on_time, tally.timed);
}

function count(tally: Tally, kind: string, delay: number | null | undefined): void {
  if (kind === "FlightScheduled") tally.flights += 1;
  else if (kind === "FlightDeparted") depart(tally, delay ?? 0);
  else if (kind === "FlightArrived") arrive(tally, delay);
  else tally.cancelled += 1;
}

export default projector<Flight>({
  name: "ontime",
  handles: { FlightScheduled: 1, FlightDeparted: 2, FlightArrived: 1, FlightCancelled: 1 },
  tables: [carriers, airports, routes],

  apply(event, rows) {
    const { carrier, origin, dest, delay_minutes } = event.data;
    const kind = event.kind;
    count(rows.entry(carriers, carrier), kind, delay_minutes);
    count(rows.entry(airports, origin).outbound, kind, delay_minutes);
    count(rows.entry(airports, dest).inbound, kind, delay_minutes);
    count(rows.entry(routes, `${origin}-${dest}`), kind, delay_minutes);
  },
});
