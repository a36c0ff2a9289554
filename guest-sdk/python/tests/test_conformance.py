"""Tests that numbers, texts and keys are written as the SDK for Rust writes them."""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from kinora_sdk import HIDDEN
from kinora_sdk.codec import Expected, codec_of

FOLDER = Path(__file__).resolve().parents[2] / "conformance"


def lines(name: str) -> list[tuple[str, str]]:
    found = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    return [tuple(line.split(" ", 1)) for line in found if line]


def test_numbers_are_written_as_rust_writes_them_and_read_back_as_what_they_were() -> None:
    for bits, expected in lines("numbers.txt"):
        value = struct.unpack(">d", bytes.fromhex(bits))[0]
        assert codec_of(float).encode(value) == expected
        assert struct.pack(">d", json.loads(expected)) == bytes.fromhex(bits)


def test_texts_are_written_as_rust_writes_them() -> None:
    for points, expected in lines("texts.txt"):
        assert codec_of(str).encode("".join(chr(int(point, 16)) for point in points.split(","))) == expected


@dataclass
class Row:
    b: int = 0
    a: float | None = None
    m: dict[str, int] = field(default_factory=dict)
    h: Annotated[list[float], HIDDEN] = field(default_factory=list)
    x: Any = None


def test_members_stand_in_the_order_of_their_declaration_names_of_a_map_in_that_of_their_bytes() -> None:
    row = Row(h=[1, 0.5], m={"\U0001f6eb": 1, "\ufffd": 2, "10": 3, "9": 4}, b=7)
    written = codec_of(Row).encode(row)
    assert written == '{"b":7,"a":null,"m":{"10":3,"9":4,"\ufffd":2,"\U0001f6eb":1},"h":[1.0,0.5],"x":null}'
    assert codec_of(Row).decode(json.loads(written)) == row
    assert codec_of(Row).schema["properties"]["h"] == {"type": "array", "items": {"type": "number"}, "writeOnly": True}


@pytest.mark.parametrize("wrong", [0.5, "1", None, True])
def test_what_is_not_of_the_declared_type_is_refused_by_its_name(wrong: Any) -> None:
    with pytest.raises(Expected, match="b: expected an integer"):
        codec_of(Row).encode(Row(b=wrong))


def test_numbers_without_a_form_in_json_are_refused() -> None:
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(Expected, match="expected a finite number"):
            codec_of(float).encode(wrong)
