"""Figures to keep in rows: sums with extremes, and histograms. The same words and bytes as in the SDK for Rust."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from kinora_sdk.codec import Codec, codec_of
from kinora_sdk.fault import Fault


@dataclass
class _Written:
    """A summary as it stands in a row."""

    count: int
    sum: float
    mean: float | None
    min: float | None
    max: float | None


@dataclass
class Summary:
    """Count, sum, mean, least and greatest of some numbers."""

    count: int = 0
    sum: float = 0.0
    min: float | None = None
    max: float | None = None

    def add(self, value: float) -> None:
        """Adds a number. One that is not finite is ignored: JSON has no form for it."""
        if not math.isfinite(value):
            return
        self.count += 1
        self.sum += value
        self.min = value if self.min is None or value < self.min else self.min
        self.max = value if self.max is None or value > self.max else self.max

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None

    @classmethod
    def kinora_codec(cls, _schema: Any, _encode: Any, decode: Any) -> Codec:
        """It is written with its mean, which is not read."""
        written = codec_of(_Written)

        def encode(value: Summary) -> str:
            return written.encode(_Written(value.count, value.sum, value.mean, value.min, value.max))

        return Codec(written.schema, encode, lambda value: decode({n: v for n, v in value.items() if n != "mean"}))


@dataclass
class Histogram:
    """How many values lie below each of some edges, from the edge before on; the last count is of those above all."""

    edges: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, value: float, edges: list[float]) -> None:
        """Counts a value. `edges` are the same for all values of a histogram: finite, and ascending."""
        if not self.edges:
            ascend = all(a < b for a, b in zip(edges, edges[1:], strict=False))
            if not edges or not ascend or not all(map(math.isfinite, edges)):
                raise Fault(f"the edges {edges} of a histogram do not ascend")
            self.edges, self.counts = list(edges), [0] * (len(edges) + 1)
        if self.edges != edges:
            raise Fault(f"a histogram has the edges {self.edges}, not {edges}")
        self.counts[bisect_right(edges, value)] += 1
