"""Projector that does what it should not, as the type of each event says. `Count` behaves well."""

import datetime
import math
import random
import time
from dataclasses import dataclass

from kinora_sdk import Event, Rows, Table, projector


@dataclass
class Row:
    n: int = 0
    note: str = ""


COUNTS = Table("counts", Row, key="stream")

unwritten = []
"""What no row has."""


def count(row, _data):
    row.n += 1


def deepest(data):
    return len(data["missing"])


def throw(row, data):
    row.n = deepest(data)


def chance(row, _data):
    row.n = random.randrange(10)


def entropy(row, _data):
    row.n = random.SystemRandom().randrange(10)


def clock(row, _data):
    row.n = time.time_ns()


def today(row, _data):
    row.note = datetime.datetime.now().isoformat()


def loop(row, _data):
    while True:
        row.n += 1


def grow(_row, _data):
    while True:
        unwritten.append(bytes(1 << 20))


def recurse(row, data):
    recurse(row, data)


def wide(row, data):
    row.note = "é" * ((data["megabytes"] << 20) // 2)


def text(row, _data):
    row.n = "7"


def fraction(row, _data):
    row.n = 0.5


def not_finite(row, _data):
    row.n = math.nan


def identity(row, _data):
    """The proof of determinism finds it: it depends on what else is in memory."""
    row.n = id(object())


FAULTS = {
    "Count": count,
    "Throw": throw,
    "Chance": chance,
    "Entropy": entropy,
    "Clock": clock,
    "Today": today,
    "Loop": loop,
    "Grow": grow,
    "Recurse": recurse,
    "Wide": wide,
    "Text": text,
    "Fraction": fraction,
    "NotFinite": not_finite,
    "Identity": identity,
}


@projector("unruly", handles=dict.fromkeys(FAULTS, 1), ignores=["*"], tables=[COUNTS])
class Unruly:
    def apply(self, event: Event, rows: Rows) -> None:
        FAULTS[event.kind](rows.entry(COUNTS, event.stream), event.data)
