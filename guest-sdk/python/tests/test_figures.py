"""Tests of figures, run natively. That they are the same bytes as in Rust is tested on a host."""

import json

import pytest

from kinora_sdk import Distinct, Fault, Quantiles
from kinora_sdk.codec import codec_of


def numbers(count):
    state = 1
    for _ in range(count):
        state = state * 16807 % 2147483647
        yield state


@pytest.mark.parametrize(
    ("kind", "drawn"),
    [(Quantiles, lambda number: number % 1_000_003 / 997 - 300), (Distinct, lambda number: str(number % 2003))],
)
def test_figures_do_not_depend_on_when_they_are_written_and_read(kind, drawn):
    codec = codec_of(kind)
    kept, restarted = kind(), kind()
    for index, number in enumerate(numbers(3000)):
        kept.add(drawn(number))
        restarted.add(drawn(number))
        if number % 7 == 0:
            restarted = codec.decode(json.loads(codec.encode(restarted)))
        if index < 300 or index % 500 == 0:
            assert codec.encode(restarted) == codec.encode(kept), index


def test_quantiles_and_distinct_counts_are_as_near_as_they_say():
    some, many = Quantiles(), Distinct()
    assert (some.quantile(0.5), some.count, many.estimate) == (None, 0, 0)
    values = [number % 100_000 + 1 for number in numbers(20_000)]
    for value in values:
        some.add(value)
        many.add(str(value))
    values.sort()
    for share in (0.01, 0.5, 0.9, 0.99):
        exact = values[int(share * 19_999)]
        assert abs(some.quantile(share) - exact) <= exact * 0.0101, share
    assert abs(many.estimate - len(set(values))) <= len(set(values)) * 0.06
    with pytest.raises(Fault, match="counts texts"):
        many.add(7)
