"""Projector of punctuality, of carriers, airports and routes: the first version, as `ontime-v1` has it in Rust."""

import math
from dataclasses import dataclass, field

from kinora_sdk import Event, Rows, Table, projector

ON_TIME_MINUTES = 15
"""A flight is on time if it arrives at most so many minutes late."""


@dataclass
class Tally:
    """Figures of some flights."""

    flights: int = 0
    """Flights that were scheduled."""
    departed: int = 0
    arrived: int = 0
    cancelled: int = 0
    departure_delay: int = 0
    """Sum and mean over departed flights, in minutes; early ones count as negative."""
    mean_departure_delay: float | None = None
    timed: int = 0
    """Arrived flights whose delay is known: a diverted flight has none."""
    arrival_delay: int = 0
    """Sum and mean over timed flights, in minutes; early ones count as negative."""
    mean_arrival_delay: float | None = None
    on_time: int = 0
    """Timed flights that were on time, and their share."""
    share_on_time: float | None = None

    def depart(self, delay: int) -> None:
        self.departed += 1
        self.departure_delay += delay
        self.mean_departure_delay = ratio(self.departure_delay, self.departed)

    def arrive(self, delay: int | None) -> None:
        self.arrived += 1
        if delay is None:
            return
        self.timed += 1
        self.arrival_delay += delay
        self.mean_arrival_delay = ratio(self.arrival_delay, self.timed)
        self.on_time += delay <= ON_TIME_MINUTES
        self.share_on_time = ratio(self.on_time, self.timed)


@dataclass
class Airport:
    outbound: Tally = field(default_factory=Tally)
    """Flights that leave here."""
    inbound: Tally = field(default_factory=Tally)
    """Flights that come here."""


CARRIERS = Table(
    "carriers", Tally, key="carrier", indexes={"by_flights": ["flights"], "by_share_on_time": ["share_on_time"]}
)
AIRPORTS = Table("airports", Airport, key="airport", indexes={"by_outbound_flights": ["outbound.flights"]})
ROUTES = Table(
    "routes",
    Tally,
    key="origin-destination",
    indexes={"by_flights": ["flights"], "by_mean_arrival_delay": ["mean_arrival_delay"]},
)


def ratio(total: int, count: int) -> float | None:
    """To four decimals. Rust rounds a half away from zero, Python to the even neighbour."""
    if count == 0:
        return None
    scaled = total / count * 10_000
    size = abs(scaled)
    whole = math.floor(size)
    return math.copysign(whole + 1 if size - whole >= 0.5 else whole, scaled) / 10_000


def count(tally: Tally, kind: str, delay: int | None) -> None:
    if kind == "FlightScheduled":
        tally.flights += 1
    elif kind == "FlightDeparted":
        tally.depart(delay or 0)
    elif kind == "FlightArrived":
        tally.arrive(delay)
    else:
        tally.cancelled += 1


@projector(
    "ontime",
    handles={"FlightScheduled": 1, "FlightDeparted": 2, "FlightArrived": 1, "FlightCancelled": 1},
    tables=[CARRIERS, AIRPORTS, ROUTES],
)
class OnTime:
    def apply(self, event: Event, rows: Rows) -> None:
        flight, kind = event.data, event.kind
        origin, dest, delay = flight["origin"], flight["dest"], flight.get("delay_minutes")
        count(rows.entry(CARRIERS, flight["carrier"]), kind, delay)
        count(rows.entry(AIRPORTS, origin).outbound, kind, delay)
        count(rows.entry(AIRPORTS, dest).inbound, kind, delay)
        count(rows.entry(ROUTES, f"{origin}-{dest}"), kind, delay)
