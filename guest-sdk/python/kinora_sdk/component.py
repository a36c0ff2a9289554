"""Components: the exports of a world for what a guest declares. Generated entries call this, and nobody else.

It is imported while a component is made, and what is imported then is there for ever; a guest in a host has no files to
import anything from later. So what the standard library imports when it is first needed is imported here.
"""

from __future__ import annotations

import _strptime  # noqa: F401
import encodings.ascii  # noqa: F401
import encodings.idna  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.utf_16  # noqa: F401
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

from kinora_sdk.decider import Decider
from kinora_sdk.decider_component import decider_component
from kinora_sdk.event import Texts
from kinora_sdk.fault import Fault, InvalidArguments, said
from kinora_sdk.projector import Declared, Instance, schema_text
from kinora_sdk.surroundings import surround
from kinora_sdk.upcaster import Upcaster


class World:
    """The generated modules of a world."""

    def __init__(self, err: type, **modules: ModuleType) -> None:
        self.err = err
        self.__dict__.update(modules)
        self.types: Any = modules["types"]
        self.diagnostics: Any = modules["diagnostics"]

    def column(self, texts: list[str]) -> Any:
        """A column of these texts, which is what the contract calls `texts`."""
        whole = "".join(texts)
        end, ends = 0, []
        if whole.isascii():
            for text in texts:
                end += len(text)
                ends.append(end)
            return self.types.Texts(ends, whole.encode())
        pieces = [text.encode() for text in texts]
        for piece in pieces:
            end += len(piece)
            ends.append(end)
        return self.types.Texts(ends, b"".join(pieces))

    def event_type(self, kind: tuple[str, int]) -> Any:
        return self.types.EventType(*kind)

    def needs(self, needed: Any) -> Any:
        flags = self.types.Needs
        wanted = {"metadata": flags.METADATA, "tags": flags.TAGS}
        found = flags(0)
        for name in needed:
            found |= wanted[name]
        return found

    def fault(self, raised: BaseException, position: int | None) -> Exception:
        own = raised.position if isinstance(raised, Fault) else None
        return self.err(self.types.Fault(position if own is None else own, said(raised)))

    def described(self, call: Callable[[], Any]) -> Any:
        """Calls what has no other way to say that it failed: a trap follows."""
        try:
            return call()
        except BaseException as raised:
            self.diagnostics.panicked(None, said(raised))
            raise


class Host:
    """The rows that the host keeps."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def get_many(self, table: int, keys: list[str]) -> list[str]:
        return list(Texts(self.world.rows.get_many(table, self.world.column(keys))))

    def scan(self, table: int, start: str | None, end: str | None, reverse: bool, limit: int) -> list[tuple[str, str]]:
        page = self.world.rows.scan(table, self.world.rows.Range(start, end, reverse), limit)
        return list(zip(Texts(page.keys), Texts(page.values), strict=True))

    def write(self, table: int, keys: list[str], values: list[str]) -> None:
        self.world.rows.write(table, self.world.column(keys), self.world.column(values))


def component(guest: Any, world: World) -> type:
    """The class that exports a world for a guest."""
    declared = getattr(guest, "kinora", None)
    surround(world.diagnostics)
    if isinstance(declared, Declared):
        return _projector(declared, world)
    if isinstance(declared, Upcaster):
        return _upcaster(declared, world)
    if isinstance(declared, Decider):
        return decider_component(declared, world)
    raise TypeError(f"{guest!r} is neither a class with @projector(...) nor an Upcaster or a Decider")


def _projector(declared: Declared, world: Any) -> type:
    instance = Instance(declared, Host(world))
    projection = world.projection

    class WitWorld:
        def describe(self) -> Any:
            return world.described(lambda: _manifest(declared, world))

        def apply(self, batch: Any) -> None:
            try:
                instance.apply(batch)
            except BaseException as raised:
                raise world.fault(raised, instance.position) from None

        def flush(self) -> None:
            try:
                instance.rows.flush()
            except BaseException as raised:
                raise world.fault(raised, None) from None

        def query(self, name: str, arguments: str) -> str:
            try:
                return instance.query(name, arguments)
            except InvalidArguments as raised:
                raise world.err(projection.QueryError_InvalidArguments(str(raised))) from None
            except BaseException as raised:
                raise world.err(projection.QueryError_Failed(said(raised))) from None

    return WitWorld


def _manifest(declared: Declared, world: Any) -> Any:
    projection = world.projection

    def table(table: Any) -> Any:
        indexes = [projection.Index(name, list(paths), False) for name, paths in table.indexes.items()]
        indexes += [projection.Index(name, list(paths), True) for name, paths in table.unique.items()]
        schema = json.dumps(table.codec.schema, ensure_ascii=False) if table.codec.schema else None
        return projection.Table(table.name, table.key, schema, indexes, table.history)

    def query(query: Any) -> Any:
        arguments, answer = schema_text(query.arguments), schema_text(query.answer)
        return projection.NamedQuery(query.name, query.description, arguments, answer)

    by = declared.partition
    if by is None:
        partition = None
    elif by == "stream":
        partition = projection.PartitionBy_Stream()
    else:
        partition = projection.PartitionBy_Tag(by.removeprefix("tag:"))
    return projection.Manifest(
        declared.name,
        [world.event_type(kind) for kind in declared.kinds],
        list(declared.ignores),
        [table(one) for one in declared.tables],
        [query(one) for one in declared.queries.values()],
        world.needs(declared.needs),
        partition,
    )


def _upcaster(declared: Upcaster, world: Any) -> type:
    upcasting = world.upcasting

    class WitWorld:
        def describe(self) -> Any:
            kind = world.event_type
            steps = [upcasting.Step(kind(step.origin), [kind(to) for to in step.outputs]) for step in declared.steps]
            return upcasting.UpcasterManifest(declared.name, steps, world.needs(declared.needs))

        def upcast(self, batch: Any) -> Any:
            at: list[Any] = [None]
            try:
                origins, kinds, payloads, dropped = declared.upcast(batch, at)
            except BaseException as raised:
                raise world.fault(raised, at[0]) from None
            return upcasting.Upcasted(origins, kinds, world.column(payloads), dropped)

    return WitWorld
