"""Tests of the projector, without WebAssembly and without a host."""

import pytest
from kinora_sdk import Fault
from kinora_sdk.testing import Scenario
from ontime import OnTime

FLIGHT = {"carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH"}


def test_a_flight_counts_for_its_carrier_both_airports_and_its_route() -> None:
    scenario = Scenario(OnTime)
    scenario.given("FlightScheduled", 1, FLIGHT)
    scenario.given("FlightDeparted", 2, {**FLIGHT, "delay_minutes": 2})
    scenario.restarted()
    scenario.given("FlightArrived", 1, {**FLIGHT, "delay_minutes": 15})
    expected = (
        '{"flights":1,"departed":1,"arrived":1,"cancelled":0,"departure_delay":2,"mean_departure_delay":2.0,'
        '"timed":1,"arrival_delay":15,"mean_arrival_delay":15.0,"on_time":1,"share_on_time":1.0}'
    )
    assert scenario.written("carriers", "UA") == expected
    assert scenario.written("routes", "EWR-IAH") == expected
    assert scenario.written("airports", "EWR").startswith(f'{{"outbound":{expected}')
    assert scenario.written("airports", "IAH").endswith(f'"inbound":{expected}}}')


def test_a_diverted_flight_arrives_without_a_delay() -> None:
    row = Scenario(OnTime).given("FlightArrived", 1, {**FLIGHT, "delay_minutes": None}).row("carriers", "UA")
    assert (row["arrived"], row["share_on_time"]) == (1, None)


def test_an_old_departure_has_to_be_upcast_first() -> None:
    with pytest.raises(Fault, match="neither handled nor ignored"):
        Scenario(OnTime).given("FlightDeparted", 1, {})
