"""Events as handlers see them: views of the columns that they crossed in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from kinora_sdk.codec import codec_of
from kinora_sdk.fault import Fault

T = TypeVar("T")

_scan = json.JSONDecoder().scan_once


class Texts:
    """The texts of a column, by number. It is decoded as a whole once, and cut where that is possible."""

    __slots__ = ("ends", "bytes", "whole")

    def __init__(self, column: Any) -> None:
        self.ends = column.ends
        self.bytes = column.bytes
        self.whole = column.bytes.decode("ascii") if column.bytes.isascii() else None

    def at(self, index: int) -> str:
        start = self.ends[index - 1] if index else 0
        if self.whole is not None:
            return self.whole[start : self.ends[index]]
        return self.bytes[start : self.ends[index]].decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        return (self.at(index) for index in range(len(self.ends)))


class Columns:
    """The columns of a batch, decoded as far as somebody looks at them."""

    __slots__ = ("batch", "payloads", "_streams", "_metadata", "_tags")

    def __init__(self, batch: Any) -> None:
        self.batch = batch
        self.payloads = Texts(batch.payloads)
        self._streams: Texts | None = None
        self._metadata: Texts | None = None
        self._tags: Texts | None = None

    def stream(self, index: int) -> str:
        if self._streams is None:
            self._streams = Texts(self.batch.streams)
        return self._streams.at(index)

    def metadata(self, index: int) -> str:
        if self._metadata is None:
            self._metadata = Texts(self.batch.metadata)
        return self._metadata.at(index) if self._metadata.ends else ""

    def tags(self, index: int) -> str:
        if self._tags is None:
            self._tags = Texts(self.batch.tags)
        return self._tags.at(index) if self._tags.ends else ""


class Event:
    """An event of a batch."""

    __slots__ = ("_columns", "_index", "_data", "kind", "schema")

    kind: str
    """The name of its type, such as `FlightDeparted`."""
    schema: int
    """The version of its type's schema, from 1."""

    def __init__(self, columns: Columns, index: int, kind: str, schema: int) -> None:
        self._columns, self._index, self.kind, self.schema = columns, index, kind, schema
        self._data: Any = None

    @property
    def data(self) -> Any:
        """Its data, decoded: the same object each time."""
        if self._data is None:
            try:
                self._data = self._decoded()
            except ValueError as cause:
                why = f"the data of {self.kind} schema {self.schema} does not decode: {cause}"
                raise self.fault(why) from cause
        return self._data

    def _decoded(self) -> Any:
        payloads, index = self._columns.payloads, self._index
        if payloads.whole is not None:
            # Read where it stands, without a copy. White space before it is not what most have.
            try:
                data, end = _scan(payloads.whole, payloads.ends[index - 1] if index else 0)
                if end == payloads.ends[index]:
                    return data
            except StopIteration:
                pass
        return json.loads(payloads.at(index))

    def decode(self, kind: type[T]) -> T:
        """Its data as a dataclass: of the members of the data those that the class has."""
        codec, data = codec_of(kind), self.data
        try:
            known = codec.schema.get("properties")
            taken = {name: value for name, value in data.items() if name in known} if known else data
            return codec.decode(taken) if codec.decode else taken
        except (AttributeError, TypeError) as cause:
            raise self.fault(f"the data of {self.kind} schema {self.schema} is no {kind.__name__}: {cause}") from cause

    @property
    def position(self) -> int:
        """Its place in the log, from 0."""
        return self._columns.batch.positions[self._index]

    @property
    def revision(self) -> int:
        """Its place in its stream, from 0."""
        return self._columns.batch.revisions[self._index]

    @property
    def time(self) -> int:
        """When it was appended: microseconds since the Unix epoch."""
        return self._columns.batch.times[self._index]

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return self._columns.stream(self._index)

    @property
    def metadata(self) -> Any:
        """Its metadata, decoded, or None; always None unless the guest needs metadata."""
        written = self._columns.metadata(self._index)
        return json.loads(written) if written else None

    @property
    def tags(self) -> list[str]:
        """Its tags, in order; none unless the guest needs tags."""
        written = self._columns.tags(self._index)
        return written.split("\n") if written else []

    def fault(self, message: str) -> Fault:
        """A fault at this event, to be raised."""
        return Fault(message, self.position)

    def unhandled(self) -> Fault:
        """The fault for an event that is declared and that the code has no arm for."""
        return self.fault(f"{self.kind} schema {self.schema} is declared, but apply() does not handle it")


def events(batch: Any, types: Sequence[tuple[str, int]]) -> Iterator[Event]:
    """The events of a batch, in order. `types[kind]` is the type and the schema of an event."""
    columns = Columns(batch)
    for index, kind in enumerate(batch.kinds):
        name, schema = types[kind]
        yield Event(columns, index, name, schema)
