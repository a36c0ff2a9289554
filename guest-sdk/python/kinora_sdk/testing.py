"""Unit tests without WebAssembly and without a host: given events, then rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kinora_sdk.decider import Decider, Slots
from kinora_sdk.fault import Fault
from kinora_sdk.projector import Instance
from kinora_sdk.upcaster import Upcaster


@dataclass
class _Column:
    """Texts as they cross into a guest."""

    ends: list[int]
    bytes: bytes


def _column(texts: list[str]) -> _Column:
    ends, whole = [], b""
    for text in texts:
        whole += text.encode()
        ends.append(len(whole))
    return _Column(ends, whole)


@dataclass
class _Batch:
    """One event as it crosses into a guest."""

    positions: list[int]
    revisions: list[int]
    times: list[int]
    kinds: list[int]
    streams: _Column
    payloads: _Column
    metadata: _Column
    tags: _Column


@dataclass
class _Appended:
    """An event as it stands in a log."""

    position: int
    revision: int
    time: int
    stream: str
    data: str
    metadata: str
    tags: str

    def batch(self, kind: int, needs: Any) -> _Batch:
        return _Batch(
            [self.position],
            [self.revision],
            [self.time],
            [kind],
            _column([self.stream]),
            _column([self.data]),
            _column([self.metadata] if "metadata" in needs else []),
            _column([self.tags] if "tags" in needs else []),
        )


class _Memory:
    """Rows in memory, behind an instance."""

    def __init__(self, tables: int) -> None:
        self.tables: list[dict[str, str]] = [{} for _ in range(tables)]

    def get_many(self, table: int, keys: list[str]) -> list[str]:
        return [self.tables[table].get(key, "") for key in keys]

    def scan(self, table: int, start: str | None, end: str | None, reverse: bool, limit: int) -> list[tuple[str, str]]:
        found = sorted(self.tables[table].items(), reverse=reverse)
        return [row for row in found if (start is None or row[0] >= start) and (end is None or row[0] < end)][:limit]

    def write(self, table: int, keys: list[str], values: list[str]) -> None:
        for key, value in zip(keys, values, strict=True):
            if value:
                self.tables[table][key] = value
            else:
                self.tables[table].pop(key, None)


class Scenario:
    """A projector with its rows in memory, and events that follow one another in a log."""

    def __init__(self, projector: Any) -> None:
        self._declared = projector.kinora
        self._memory = _Memory(len(self._declared.tables))
        self._instance = Instance(self._declared, self._memory)
        self._upcasters: list[Upcaster] = []
        self._position = 0
        self._revisions: dict[str, int] = {}

    def upcasted_by(self, upcaster: Upcaster) -> Scenario:
        """Events go through these steps first, until the projector handles them."""
        self._upcasters.append(upcaster)
        return self

    def given(
        self,
        kind: str,
        schema: int,
        data: Any,
        *,
        stream: str = "test",
        time: int | None = None,
        tags: tuple[str, ...] = (),
        metadata: Any = None,
    ) -> Scenario:
        """An event follows. Its data is JSON text, or what is to be written as such."""
        position, self._position = self._position, self._position + 1
        revision = self._revisions.get(stream, 0)
        self._revisions[stream] = revision + 1
        written = data if isinstance(data, str) else json.dumps(data)
        about = "" if metadata is None else json.dumps(metadata)
        event = _Appended(
            position, revision, position if time is None else time, stream, written, about, "\n".join(tags)
        )
        for name, number, brought in self._brought(kind, schema, written):
            event.data = brought
            self._apply(name, number, event)
        return self

    def _apply(self, kind: str, schema: int, event: _Appended) -> None:
        declared = self._declared
        if (kind, schema) in declared.kinds:
            self._instance.apply(event.batch(declared.kinds.index((kind, schema)), declared.needs))
            return
        is_known = any(kind == name for name, _ in declared.kinds)
        if kind not in declared.ignores and not ("*" in declared.ignores and not is_known):
            raise Fault(f"{kind} schema {schema} is neither handled nor ignored", event.position)

    def _brought(self, kind: str, schema: int, data: str) -> list[tuple[str, int, str]]:
        if (kind, schema) not in self._declared.kinds:
            for upcaster in self._upcasters:
                if any(step.origin == (kind, schema) for step in upcaster.steps):
                    made = upcast(upcaster, kind, schema, data)
                    return [one for output in made for one in self._brought(*output)]
        return [(kind, schema, data)]

    def restarted(self) -> Scenario:
        """Goes on with a fresh instance, as a host may after any commit."""
        self._instance.rows.flush()
        self._instance = Instance(self._declared, self._memory)
        return self

    def written(self, table: str, key: str) -> str | None:
        """A row as the JSON text that a host would keep, or None."""
        self._instance.rows.flush()
        return self._memory.tables[self._index(table)].get(key)

    def row(self, table: str, key: str) -> Any:
        """A row, decoded, or None."""
        return json.loads(self.written(table, key) or "null")

    def rows(self, table: str) -> dict[str, Any]:
        """All rows of a table by key, in the order of their keys."""
        self._instance.rows.flush()
        found = self._memory.tables[self._index(table)]
        return {key: json.loads(found[key]) for key in sorted(found)}

    def query(self, name: str, arguments: Any = None) -> Any:
        """The answer of a named query."""
        self._instance.rows.flush()
        return json.loads(self._instance.query(name, json.dumps(arguments or {})))

    def _index(self, name: str) -> int:
        return [table.name for table in self._declared.tables].index(name)


def upcast(upcaster: Upcaster, kind: str, schema: int, data: Any) -> list[tuple[str, int, str]]:
    """What an upcaster makes of one event: lists of type, schema and the data as JSON text."""
    index = next(number for number, step in enumerate(upcaster.steps) if step.origin == (kind, schema))
    written = data if isinstance(data, str) else json.dumps(data)
    event = _Appended(0, 0, 0, "test", written, "", "")
    _, kinds, payloads, _ = upcaster.upcast(event.batch(index, upcaster.needs), [None])  # type: ignore[list-item]
    outputs = upcaster.steps[index].outputs
    return [(*outputs[number], written) for number, written in zip(kinds, payloads, strict=True)]


@dataclass
class _Command:
    """One command as it crosses into a guest."""

    kinds: list[int]
    ids: _Column
    times: list[int]
    seeds: list[int]
    payloads: _Column
    slot_ends: list[int]
    slots: list[int]


class Story:
    """An aggregate of a decider: given events, when a command, then what was decided."""

    def __init__(self, decider: Decider, aggregate: str = "1") -> None:
        self._decider, self._id = decider, aggregate
        self._slots = Slots(decider)
        self._slots.load([0], [("stream", f"{decider.own[1]}-{aggregate}")], _column([""]))
        self._position = 0

    def given(self, event: Any) -> Story:
        """An event has happened."""
        index = [kind.made for kind in self._decider.events].index(type(event))
        data = self._decider.events[index].codec.encode(event)
        appended = _Appended(self._position, self._position, 0, "", data, "", "")
        self._position += 1
        self._slots.evolve([0], appended.batch(index, ()))
        return self

    def when(self, command: Any, *, time: int = 0) -> Any:
        """The events that are decided, none if nothing changes; or the code of a rejection; or the scopes it wants."""
        kind = [kind.made for kind in self._decider.commands].index(type(command))
        data = self._decider.commands[kind].codec.encode(command)
        asked = _Command([kind], _column([self._id]), [time], [1], _column([data]), [1], [0])
        [(what, value)], made = self._slots.decide(asked)
        if what == "rejected":
            return value.code
        return value if what == "wants" else [one.event for one in made]
