"""Fold of the flights in native CPython, by the same projector and SDK, in batches as a host hands them over."""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "guest-sdk/python"), str(ROOT / "projections/ontime-python/src")]

from kinora_sdk.projector import Instance  # noqa: E402
from ontime import OnTime  # noqa: E402

BATCH = 4096
KINDS = ["FlightScheduled", "FlightDeparted", "FlightArrived", "FlightCancelled"]


class Nowhere:
    """Rows that are not kept: the fold has each in memory."""

    def get_many(self, table, keys):
        return ["" for _ in keys]

    def write(self, table, keys, values):
        pass


def column(texts):
    ends, pieces, end = [], [], 0
    for text in texts:
        pieces.append(text.encode())
        end += len(pieces[-1])
        ends.append(end)
    return SimpleNamespace(ends=ends, bytes=b"".join(pieces))


events = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
batches = [
    SimpleNamespace(
        positions=list(range(start, start + len(some))),
        kinds=[KINDS.index(event["type"]) for event in some],
        streams=column([event["stream"] for event in some]),
        payloads=column([json.dumps(event["data"], separators=(",", ":")) for event in some]),
        metadata=column([]),
        tags=column([]),
    )
    for start in range(0, len(events), BATCH)
    for some in [events[start : start + BATCH]]
]
instance = Instance(OnTime.kinora, Nowhere())
began = time.perf_counter()
for batch in batches:
    instance.apply(batch)
instance.rows.flush()
print(round(len(events) / (time.perf_counter() - began)))
