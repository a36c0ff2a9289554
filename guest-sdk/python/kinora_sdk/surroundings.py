"""Surroundings of a guest: what Python offers and a host does not, in words that say so."""

from __future__ import annotations

import builtins
import os
import random
import time
from collections.abc import Callable
from typing import Any, NoReturn

from kinora_sdk.fault import Fault

CLOCKS = ["time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"]


def _refused(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        why = "the same events have to give the same rows. Take it from the event"
        raise Fault(f"{what}() has no place in a guest: {why}")

    return refuse


def surround(diagnostics: Any) -> None:
    """From now on chance and clocks are faults, and what is printed is a line for the host."""

    def printed(*values: object, sep: str | None = " ", end: str | None = "", **_: object) -> None:
        line = (" " if sep is None else sep).join(map(str, values)) + (end or "")
        diagnostics.log(diagnostics.Level.INFO, line.rstrip("\n"))

    builtins.print = printed
    for name in CLOCKS:
        setattr(time, name, _refused(f"time.{name}"))
    os.urandom = _refused("os.urandom")
    # The functions of the module share a generator that was seeded while the module was made; those of a
    # `random.Random(seed)` of one's own stay.
    for name in random.__all__:
        if getattr(getattr(random, name), "__self__", None) is random._inst:  # type: ignore[attr-defined]
            setattr(random, name, _refused(f"random.{name}"))
