"""Upcaster of all kinds of old events, as `conforming` has it in Rust."""

import json
from dataclasses import dataclass

from kinora_sdk import DROP, Upcaster


@dataclass
class Count:
    n: int


@dataclass
class Text:
    number: str


@dataclass
class Prices:
    article: str
    prices: dict[str, float]
    mean: float | None


renaming = Upcaster("renaming")


@renaming.step(("Counted", 1), [("Count", 1)], Count)
def renamed(old, _event):
    return [("Count", 1, Count(old["n"]))]


@renaming.step(("Many", 1), [("Count", 1)], Count)
def split(old, _event):
    """Into any number of events, and none at all on purpose."""
    return [("Count", 1, Count(n)) for n in old["ns"]] or DROP


@renaming.step(("Text", 1), ("Text", 2), Text)
def written(n, _event):
    """The first link of a chain: a text, then `Counted`, then `Count`."""
    return Text(str(n))


@renaming.step(("Text", 2), ("Counted", 1), Count)
def read(old, event):
    if not old["number"].isdecimal():
        raise event.fault(f"{json.dumps(old['number'])}: invalid digit found in string")
    return Count(int(old["number"]))


@renaming.step(("Priced", 1), ("Prices", 1), Prices)
def priced(old, _event):
    """One that writes data of other kinds."""
    prices = {name: cents / 100 for name, cents in old["cents"].items()}
    total = 0.0
    for name in sorted(prices):
        total += prices[name]
    return Prices(old["article"], prices, total / len(prices) if prices else None)


@renaming.step(("Forgotten", 2), [("Count", 1)], Count)
def forgotten(_old, _event):
    return []
