"""Distinct counts (HyperLogLog), with the state that the SDK for Rust keeps.

That is the state of Apache DataSketches, 2,048 registers of 8 bits. A few values are kept as they were hashed, in a list
and then in a set; more of them in registers.
"""

from __future__ import annotations

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from kinora_sdk.codec import HIDDEN, Codec, codec_of
from kinora_sdk.fault import Fault

REGISTERS_LOG2 = 11
REGISTERS = 1 << REGISTERS_LOG2

LIST, FIRST_SET_LOG2, LAST_SET_LOG2 = 8, 5, REGISTERS_LOG2 - 3
"""Values that a list has at most, and places in the first set, as a power of two; the set before registers."""

PLACE_BITS = 26
"""Of a hashed value, the lower bits are its place and the others its rank."""
PLACE = (1 << PLACE_BITS) - 1

VERSION, FAMILY, COMPACT, EMPTY = 1, 7, 8, 4
"""Bytes at the beginning of a state, after its length in words; the last one says what follows."""
IS_LIST, IS_SET, IS_REGISTERS = 8, 9, 10

MASK = (1 << 64) - 1
SEED = 9001
C1, C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def _rotated(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & MASK


def _mixed(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & MASK
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return k ^ k >> 33


def _hashed(text: str) -> tuple[int, int]:
    """MurmurHash3 of 128 bits, by Austin Appleby, of a text and the byte that Rust puts after it."""
    own = text.encode() + b"\xff"
    words = struct.unpack(f"<{-(-len(own) // 16) * 2}Q", own + bytes(-len(own) % 16))
    h1 = h2 = SEED
    for at in range(0, len(words), 2):
        is_whole = at * 8 + 16 <= len(own)
        h1 ^= _rotated(words[at] * C1 & MASK, 31) * C2 & MASK
        if is_whole:
            h1 = ((_rotated(h1, 27) + h2) * 5 + 0x52DCE729) & MASK
        h2 ^= _rotated(words[at + 1] * C2 & MASK, 33) * C1 & MASK
        if is_whole:
            h2 = ((_rotated(h2, 31) + h1) * 5 + 0x38495AB5) & MASK
    h1, h2 = h1 ^ len(own), h2 ^ len(own)
    h1 = (h1 + h2) & MASK
    h2 = (h2 + h1) & MASK
    h1, h2 = _mixed(h1), _mixed(h2)
    h1 = (h1 + h2) & MASK
    return h1, (h2 + h1) & MASK


def _kept(text: str) -> int:
    """What is kept of a value. It is never 0."""
    low, high = _hashed(text)
    return min(64 - high.bit_length(), 62) + 1 << PLACE_BITS | low & PLACE


class _Set:
    """Places for hashed values, some of them empty."""

    def __init__(self, size_log2: int, values: Iterable[int]) -> None:
        self.size_log2, self.places, self.length = size_log2, [0] * (1 << size_log2), 0
        for value in values:
            self.add(value)

    def add(self, value: int) -> None:
        places, mask = self.places, len(self.places) - 1
        stride = (value & PLACE) >> self.size_log2 | 1
        at = value & mask
        while places[at] not in (0, value):
            at = at + stride & mask
        self.length += places[at] == 0
        places[at] = value

    def values(self) -> list[int]:
        return [place for place in self.places if place]


COUNTED = (0.0, 1.0, 20.0, 400.0, 8000.0)
LIKELY = (0.0, 1.0, 20.00000094374026, 400.0003963713384, 8000.158929460209)
"""Counts of hashed values, and how many values there are likely to be: the first points of DataSketches' table."""


def _likely(count: int) -> float:
    """A cubic through four points of the table."""
    start = 0 if count < 20 else 1
    x, y = COUNTED[start : start + 4], LIKELY[start : start + 4]
    total = 0.0
    for at in range(4):
        a, b, c = (x[other] for other in range(4) if other != at)
        term = y[at] * ((count - a) * (count - b) * (count - c)) / ((x[at] - a) * (x[at] - b) * (x[at] - c))
        total = term if at == 0 else total + term
    return max(float(count), total)


@dataclass
class _Registers:
    """Registers, and the estimate as it grows with each that changes."""

    ranks: bytearray
    estimate: float
    lower: float
    upper: float
    """The sum of what ranks of 32 and more are."""
    zeros: int

    def add(self, value: int) -> None:
        at, rank = value & REGISTERS - 1, value >> PLACE_BITS
        before = self.ranks[at]
        if rank <= before:
            return
        self.estimate += REGISTERS / (self.lower + self.upper)
        self._change(before, -1.0)
        self._change(rank, 1.0)
        self.zeros -= before == 0
        self.ranks[at] = rank

    def _change(self, rank: int, sign: float) -> None:
        if rank < 32:
            self.lower += math.ldexp(sign, -rank)
        else:
            self.upper += math.ldexp(sign, -rank)


@dataclass
class _Written:
    """A distinct count as it stands in a row."""

    estimate: int
    sketch: Annotated[str, HIDDEN]


class Distinct:
    """How many different values there were, within about 2 %, in 2 kilobytes at most."""

    def __init__(self) -> None:
        self._values: list[int] | _Set | _Registers = []

    def add(self, text: str) -> None:
        """Counts a value, unless it was there before."""
        if type(text) is not str:
            raise Fault(f"a distinct count counts texts, not {text!r}")
        value, values = _kept(text), self._values
        if isinstance(values, list):
            if value not in values:
                values.append(value)
            if len(values) == LIST:
                self._values = _Set(FIRST_SET_LOG2, values)
            return
        values.add(value)
        if isinstance(values, _Set) and 4 * values.length > 3 * len(values.places):
            if values.size_log2 < LAST_SET_LOG2:
                self._values = _Set(values.size_log2 + 1, values.values())
                return
            registers = _Registers(bytearray(REGISTERS), 0.0, float(REGISTERS), 0.0, REGISTERS)
            for one in values.values():
                registers.add(one)
            registers.estimate = _likely(values.length)
            self._values = registers

    @property
    def estimate(self) -> int:
        """To the nearest integer."""
        values = self._values
        if isinstance(values, _Registers):
            found = values.estimate
        else:
            found = _likely(len(values) if isinstance(values, list) else values.length)
        # Not by `round`, which takes a half to the nearest even number.
        whole = math.floor(found)
        return whole + (found - whole >= 0.5)

    def _saved(self) -> bytes:
        values, head = self._values, (VERSION, FAMILY, REGISTERS_LOG2)
        if isinstance(values, list):
            flags = COMPACT | (0 if values else EMPTY)
            return bytes((2, *head, 3, flags, len(values), IS_LIST)) + struct.pack(f"<{len(values)}I", *values)
        if isinstance(values, _Set):
            # In the order of its values: that of their places depends on whether it has been read meanwhile.
            words = [values.length, *sorted(values.values())]
            return bytes((3, *head, values.size_log2, COMPACT, 0, IS_SET)) + struct.pack(f"<{len(words)}I", *words)
        sums = struct.pack("<dddII", values.estimate, values.lower, values.upper, values.zeros, 0)
        return bytes((10, *head, 0, 0, 0, IS_REGISTERS)) + sums + bytes(values.ranks)

    @classmethod
    def _loaded(cls, state: bytes) -> Distinct:
        made = cls()
        if state[7] == IS_LIST:
            made._values = [word for (word,) in struct.iter_unpack("<I", state[8:])]
        elif state[7] == IS_SET:
            made._values = _Set(state[4], (word for (word,) in struct.iter_unpack("<I", state[12:])))
        elif state[7] == IS_REGISTERS and len(state) == 40 + REGISTERS:
            estimate, lower, upper, zeros, _ = struct.unpack("<dddII", state[8:40])
            made._values = _Registers(bytearray(state[40:]), estimate, lower, upper, zeros)
        else:
            raise ValueError("this is no state of a distinct count")
        return made

    @classmethod
    def kinora_codec(cls, *_: Any) -> Codec:
        """It is written with its estimate, which is not read."""
        written = codec_of(_Written)

        def encode(value: Distinct) -> str:
            return written.encode(_Written(value.estimate, b64encode(value._saved()).decode().rstrip("=")))

        def decode(value: Any) -> Distinct:
            sketch = value["sketch"]
            return cls._loaded(b64decode(sketch + "=" * (-len(sketch) % 4)))

        return Codec(written.schema, encode, decode)
