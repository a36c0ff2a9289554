"""Quantiles of any number of values (DDSketch), with the state that the SDK for Rust keeps.

The method is that of "DDSketch: A Fast and Fully-Mergeable Quantile Sketch" (Masson, Rim, Lee, 2019): values fall into
bins whose borders grow by a factor. Where the bins lie follows what the Rust crate sketches-ddsketch does, since rows
are compared byte by byte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from kinora_sdk.codec import HIDDEN, Codec, codec_of
from kinora_sdk.sketches.elementary import exp, log

GAMMA = (1.0 + 0.01) / (1.0 - 0.01)
"""How much greater each border is than the one before it: values are then within 1 %."""
GAMMA_LN = log(GAMMA)
LEAST = 1e-9
BINS, CHUNK = 2048, 128
"""Bins that there are at most, and how many come at a time."""


@dataclass
class Config:
    """What a sketch within 1 % is."""

    max_num_bins: int = BINS
    gamma: float = GAMMA
    gamma_ln: float = GAMMA_LN
    min_value: float = LEAST
    offset: int = 1 - int(log(LEAST) / GAMMA_LN)


@dataclass
class Store:
    """Bins, by the keys of what falls into them."""

    bins: list[int] = field(default_factory=list)
    count: int = 0
    min_key: int = 2**31 - 1
    max_key: int = -(2**31)
    offset: int = 0
    bin_limit: int = BINS
    is_collapsed: bool = False

    def add(self, key: int) -> None:
        # Which bin it is comes first: making room for it makes new bins.
        at = self._bin(key)
        self.bins[at] += 1
        self.count += 1

    def _bin(self, key: int) -> int:
        if key < self.min_key:
            if self.is_collapsed:
                return 0
            self._extend(key)
            if self.is_collapsed:
                return 0
        elif key > self.max_key:
            self._extend(key)
        return key - self.offset

    def _extend(self, key: int) -> None:
        """Makes room for a key."""
        least, greatest = min(key, self.min_key), max(key, self.max_key)
        length = len(self.bins)
        if length and least >= self.min_key and greatest < self.offset + length:
            self.min_key, self.max_key = least, greatest
            return
        wanted = min(CHUNK * -(-(greatest - least + 1) // CHUNK), self.bin_limit)
        if not length:
            self.offset = least
        self.bins.extend([0] * (wanted - length))
        self._adjust(least, greatest)

    def _adjust(self, least: int, greatest: int) -> None:
        length = len(self.bins)
        if greatest - least + 1 <= length:
            # The keys go to the middle of the bins.
            middle = least + (greatest - least + 1) // 2
            self._shift(self.offset + length // 2 - middle)
            self.min_key, self.max_key = least, greatest
            return
        lowest = greatest - length + 1
        if lowest >= self.max_key:
            self.offset = self.min_key = lowest
            self.bins = [self.count] + [0] * (length - 1)
        else:
            by = self.offset - lowest
            if by < 0:
                # What is too low falls into the lowest bin that stays.
                start, end = self.min_key - self.offset, lowest - self.offset
                total = sum(self.bins[start:end])
                self.bins[start:end] = [0] * (end - start)
                self.bins[end] += total
            self.min_key = lowest
            self._shift(by)
        self.max_key = greatest
        self.is_collapsed = True

    def _shift(self, by: int) -> None:
        """Moves all bins up, or down where it is below 0. What falls out is empty, or comes to nothing."""
        zeros = [0] * min(abs(by), len(self.bins))
        kept = len(self.bins) - len(zeros)
        self.bins = zeros + self.bins[:kept] if by > 0 else self.bins[len(zeros) :] + zeros
        self.offset -= by

    def key_at(self, rank: int) -> int:
        total = 0
        for index, count in enumerate(self.bins):
            total += count
            if total > rank:
                return index + self.offset
        return self.max_key


@dataclass
class Sketch:
    """The state of quantiles."""

    config: Config = field(default_factory=Config)
    store: Store = field(default_factory=Store)
    negative_store: Store = field(default_factory=Store)
    min: float = math.inf
    max: float = -math.inf
    sum: float = 0.0
    zero_count: int = 0


@dataclass
class _Written:
    """Quantiles as they stand in a row."""

    count: int
    min: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    sketch: Annotated[Sketch | None, HIDDEN]


def _key(value: float) -> int:
    return math.floor(log(value) / GAMMA_LN)


def _value(key: int) -> float:
    return exp(key * GAMMA_LN) * (2.0 * GAMMA / (1.0 + GAMMA))


@dataclass
class Quantiles:
    """Quantiles of any number of values, each within 1 % of the value, in some kilobytes."""

    sketch: Sketch | None = None

    def add(self, value: float) -> None:
        """Adds a value. One that is not finite is ignored."""
        value = float(value)
        if not math.isfinite(value):
            return
        if self.sketch is None:
            self.sketch = Sketch()
        sketch = self.sketch
        if value > LEAST:
            sketch.store.add(_key(value))
        elif value < -LEAST:
            sketch.negative_store.add(_key(-value))
        else:
            sketch.zero_count += 1
        sketch.min = min(sketch.min, value)
        sketch.max = max(sketch.max, value)
        sketch.sum += value

    @property
    def count(self) -> int:
        """How many values were added."""
        sketch = self.sketch
        return 0 if sketch is None else sketch.store.count + sketch.zero_count + sketch.negative_store.count

    def quantile(self, share: float) -> float | None:
        """The value that this share of all, from 0 to 1, is not above; None as long as there are no values."""
        sketch, count = self.sketch, self.count
        if sketch is None or not 0 <= share <= 1:
            return None
        if share == 0:
            return sketch.min
        if share == 1:
            return sketch.max
        rank, negative = int(share * (count - 1)), sketch.negative_store.count
        if rank < negative:
            return -_value(sketch.negative_store.key_at(negative - rank - 1))
        if rank < sketch.zero_count + negative:
            return 0.0
        return _value(sketch.store.key_at(rank - sketch.zero_count - negative))

    @classmethod
    def kinora_codec(cls, _schema: Any, _encode: Any, decode: Any) -> Codec:
        """It is written with the quantiles that people ask for, which are not read."""
        written = codec_of(_Written)

        def encode(value: Quantiles) -> str:
            shares = [value.quantile(share) for share in (0.0, 0.5, 0.9, 0.99, 1.0)]
            return written.encode(_Written(value.count, *shares, value.sketch))

        return Codec(written.schema, encode, lambda value: decode({"sketch": value["sketch"]}))
