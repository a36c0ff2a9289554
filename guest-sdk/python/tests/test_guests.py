"""Tests of projectors and upcasters, run natively."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from kinora_sdk import (
    DROP, Event, Fault, Histogram, InvalidArguments, Rows, Summary, Table, Upcaster, composite_key, projector, query,
)  # fmt: skip
from kinora_sdk.testing import Scenario, upcast


@dataclass
class Row:
    n: int = 0
    delays: Summary = field(default_factory=Summary)
    counts: Histogram = field(default_factory=Histogram)
    about: Any = None


@dataclass
class Counted:
    name: str
    n: int


@dataclass
class Range:
    start: str


SEEN = Table("seen", Row, key="day/name")


@projector("watching", handles={"Counted": 2}, ignores=["*"], tables=[SEEN], needs=["tags", "metadata"])
class Watching:
    def touches(self, event: Event, rows: Rows) -> None:
        rows.want(SEEN, composite_key(event.stream, event.data["name"]))

    def apply(self, event: Event, rows: Rows) -> None:
        counted = event.decode(Counted)
        key = composite_key(event.stream, counted.name)
        if counted.n == 0:
            return rows.delete(SEEN, key)
        if counted.n < 0:
            raise event.fault("less than nothing")
        row = rows.entry(SEEN, key)
        row.n += counted.n
        row.delays.add(float(counted.n))
        row.counts.add(counted.n, [0.0, 10.0])
        row.about = [event.position, event.revision, event.time, event.tags, event.metadata]
        return None

    @query("keys", "The keys of a range.", arguments=Range, answer=list[str])
    def keys(self, given: Range, rows: Rows) -> list[str]:
        if not given.start:
            raise InvalidArguments("start is empty")
        return [key for key, _ in rows.scan(SEEN, given.start, reverse=True)]


def test_an_event_has_what_a_log_has_of_it_and_figures_are_as_in_rust() -> None:
    scenario = Scenario(Watching)
    data = {"name": "a/b", "n": 3, "more": 1}
    scenario.given("Counted", 2, data, stream="7%", time=5, tags=("x:1", "y"), metadata={"by": "ada"})
    scenario.restarted().given("Counted", 2, {"name": "a/b", "n": 20}, stream="7%")
    assert scenario.written("seen", "7%25/a%2Fb") == (
        '{"n":23,"delays":{"count":2,"sum":23.0,"mean":11.5,"min":3.0,"max":20.0},'
        '"counts":{"edges":[0.0,10.0],"counts":[0,1,1]},"about":[1,1,1,[],null]}'
    )


def test_rows_are_deleted_scanned_and_asked_for() -> None:
    scenario = Scenario(Watching)
    for name in "abcd":
        scenario.given("Counted", 2, {"name": name, "n": 1}, stream="s")
    scenario.given("Counted", 2, {"name": "c", "n": 0}, stream="s")
    assert scenario.query("keys", {"start": "s/b"}) == ["s/d", "s/b"]
    with pytest.raises(InvalidArguments):
        scenario.query("keys", {"start": ""})
    assert list(scenario.rows("seen")) == ["s/a", "s/b", "s/d"]


def test_faults_name_the_position_and_an_unknown_schema_of_what_is_handled_is_one() -> None:
    scenario = Scenario(Watching).given("Other", 1, {})
    with pytest.raises(Fault, match="less than nothing") as fault:
        scenario.given("Counted", 2, {"name": "a", "n": -1})
    assert fault.value.position == 1
    with pytest.raises(Fault, match="Counted schema 3 is neither handled nor ignored"):
        scenario.given("Counted", 3, {})
    with pytest.raises(Fault, match="the data of Counted schema 2 is no Counted"):
        scenario.given("Counted", 2, {"name": "a"})


names = Upcaster("names")


@names.step(("Counted", 1), ("Counted", 2), Counted)
def with_number(old: str, event: Event) -> Any:
    if not old:
        return DROP
    name, _, n = old.partition("=")
    if not n:
        raise event.fault(f"{old} has no number")
    return Counted(name, int(n))


@names.step(("Listed", 1), [("Counted", 1), ("Other", 1)])
def listed(old: list[str], _: Event) -> Any:
    return [("Counted", 1, one) for one in old]


def test_upcasters_change_split_and_drop_in_chains() -> None:
    assert upcast(names, "Counted", 1, '"a=1"') == [("Counted", 2, '{"name":"a","n":1}')]
    assert upcast(names, "Counted", 1, '""') == []
    with pytest.raises(Fault, match="a has no number"):
        upcast(names, "Counted", 1, '"a"')
    with pytest.raises(Fault, match="neither changed nor dropped"):
        upcast(names, "Listed", 1, "[]")
    scenario = Scenario(Watching).upcasted_by(names).given("Listed", 1, ["a=1", "b=2"])
    assert list(scenario.rows("seen")) == ["test/a", "test/b"]
