"""Projectors: what one declares, and the calls that fold events into its rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinora_sdk.codec import codec_of
from kinora_sdk.event import events
from kinora_sdk.fault import Fault
from kinora_sdk.rows import Backend, Rows, Table

READS_FROM_ONE_IN = 16
"""Rows are read ahead where more than one event in this many needs one that is not in memory."""


@dataclass(frozen=True)
class Query:
    """A named query as it was declared."""

    name: str
    description: str
    arguments: Any
    answer: Any
    run: Callable[[Any, Any, Rows], Any]


@dataclass
class Declared:
    """What a projector says about itself."""

    name: str
    make: Callable[[], Any]
    kinds: list[tuple[str, int]]
    tables: Sequence[Table[Any]]
    ignores: Sequence[str] = ()
    needs: Sequence[str] = ()
    partition: str | None = None
    queries: dict[str, Query] = field(default_factory=dict)
    world: str = "projector"


def query(name: str, description: str, *, arguments: Any = None, answer: Any = None) -> Callable[[Any], Any]:
    """Declares a method `(self, arguments, rows)` as a named query, with the types of its arguments and its answer."""

    def declared(run: Callable[[Any, Any, Rows], Any]) -> Any:
        run.kinora_query = Query(name, description, arguments, answer, run)  # type: ignore[attr-defined]
        return run

    return declared


def typed(handles: Mapping[str, int | Iterable[int]]) -> list[tuple[str, int]]:
    """`{"FlightDeparted": 2}` as pairs; a list stands for several schemas of one type."""
    many = ((kind, [schemas] if isinstance(schemas, int) else schemas) for kind, schemas in handles.items())
    return [(kind, schema) for kind, schemas in many for schema in schemas]


def projector(
    name: str,
    *,
    handles: Mapping[str, int | Iterable[int]],
    tables: Sequence[Table[Any]],
    ignores: Sequence[str] = (),
    needs: Sequence[str] = (),
    partition: str | None = None,
) -> Callable[[type], type]:
    """Declares a class with a method `apply(self, event, rows)` as a projector.

    `needs` may name `metadata` and `tags`; `partition` is `stream`, or `tag:` with what the tag begins with.
    """

    def declared(made: type) -> type:
        if not callable(getattr(made, "apply", None)):
            raise TypeError("a projector has a method `apply(self, event, rows)`")
        queries = [found for member in vars(made).values() if (found := getattr(member, "kinora_query", None))]
        by_name = {found.name: found for found in queries}
        made.kinora = Declared(name, made, typed(handles), tables, ignores, needs, partition, by_name)  # type: ignore
        return made

    return declared


def schema_text(kind: Any) -> str | None:
    """The schema of a type as text; None where it says nothing."""
    schema = codec_of(kind).schema if kind is not None else {}
    return json.dumps(schema, ensure_ascii=False) if schema else None


class Instance:
    """A projector at work, with its rows."""

    def __init__(self, declared: Declared, backend: Backend) -> None:
        self.declared = declared
        self.guest = declared.make()
        self.rows = Rows(declared.tables, backend)
        self.position: int | None = None
        self._reads_much = False

    def apply(self, batch: Any) -> None:
        """Folds a batch. `position` is that of the event which an error comes from."""
        kinds, rows, apply = self.declared.kinds, self.rows, self.guest.apply
        self.position = None
        touches = getattr(self.guest, "touches", None)
        if self._reads_much and touches:
            for event in events(batch, kinds):
                touches(event, rows)
            rows.fetch()
        index = 0
        try:
            for event in events(batch, kinds):
                apply(event, rows)
                index += 1
        except BaseException:
            self.position = batch.positions[index]
            raise
        self._reads_much = rows.read_since() * READS_FROM_ONE_IN > len(batch.kinds)

    def query(self, name: str, arguments: str) -> str:
        """The answer of a named query, JSON text."""
        found = self.declared.queries.get(name)
        if found is None:
            raise Fault(f"query {name!r} is not declared")
        given = json.loads(arguments)
        decode = codec_of(found.arguments).decode if found.arguments is not None else None
        answer = found.run(self.guest, decode(given) if decode else given, self.rows)
        return codec_of(found.answer if found.answer is not None else Any).encode(answer)
