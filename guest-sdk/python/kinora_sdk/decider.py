"""Deciders: rules that turn commands into events, on states in slots."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kinora_sdk.codec import Codec, codec_of
from kinora_sdk.event import Texts, events
from kinora_sdk.fault import Fault

Scope = tuple[str, Any]
"""`("stream", NAME)` or `("tags", (TAG, ...))`."""


class Rejection(Exception):
    """A business "no", to be raised by `decide`. The code is in snake_case."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


class _Wanted(Exception):
    """The state of another scope is not there yet. Nobody has to catch it."""


@dataclass(frozen=True)
class Claim:
    """A value that one stream at a time holds; `released`: it is given up, and not taken."""

    scope: str
    value: str
    released: bool = False


@dataclass
class Kind:
    """A type of commands or events, and the dataclass of its data."""

    name: str
    made: type
    codec: Codec
    schema: int = 1
    description: str = ""

    def read(self, data: Any) -> Any:
        assert self.codec.decode is not None
        return self.codec.decode(data)


class Decider:
    """Keeps the rules of aggregates: `decide` and `evolve`, and the commands and events that there are."""

    world = "decider"

    def __init__(
        self,
        name: str,
        *,
        state: type,
        category: str | None = None,
        tag: str | None = None,
        ignores: tuple[str, ...] = (),
        claims: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """An aggregate is the stream `CATEGORY-ID`, or all events with the tag `TAG:ID`.

        `claims` has for each scope the code and the message of a command that is rejected since another has the value.
        """
        self.name, self.state, self.ignores = name, state, ignores
        self.own = ("tag", tag) if tag is not None else ("category", category or name)
        self.claims = dict(claims or {})
        self.commands: list[Kind] = []
        self.events: list[Kind] = []
        self.functions: dict[str, Callable[..., Any]] = {}

    @property
    def kinora(self) -> Decider:
        return self

    def command(self, description: str) -> Callable[[type], type]:
        """Declares a dataclass as a command."""

        def declared(made: type) -> type:
            self.commands.append(Kind(made.__name__, made, codec_of(made), description=description))
            return made

        return declared

    def event(self, schema: int = 1) -> Callable[[type], type]:
        """Declares a dataclass as an event."""

        def declared(made: type) -> type:
            self.events.append(Kind(made.__name__, made, codec_of(made), schema))
            return made

        return declared

    def _function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.functions[name] = function
        return function

    def decide(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`(state, command, context)`: a list of events, none if all is well; or it raises a `Rejection`."""
        return self._function("decide", function)

    def evolve(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`(state, event)`: the state after it, or None if it is the same object, changed."""
        return self._function("evolve", function)

    def stream(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`(event, id)`: the stream that it goes to, or None for that of the aggregate."""
        return self._function("stream", function)

    def tags(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`(event)`: its tags."""
        return self._function("tags", function)

    def claimed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`(event)`: a list of what it claims or gives up."""
        return self._function("claimed", function)


@dataclass
class _Slot:
    """The state of a scope."""

    scope: Scope
    state: Any


class Context:
    """What a decision may rest on besides the state of its aggregate and the command."""

    def __init__(self, own: tuple[str, str], aggregate: str, time: int, seed: int, given: list[_Slot]) -> None:
        self._own, self.id = own, aggregate
        self.time = time
        """When the command came: microseconds since the Unix epoch. There is no other time."""
        self.random = Random(seed)
        """Numbers that look random, and follow from the id of the command."""
        self.given, self.wanted = given, list[Scope]()

    def other(self, aggregate: str) -> Any:
        """The state of another aggregate of this decider."""
        way, name = self._own
        return self.tagged(f"{name}:{aggregate}") if way == "tag" else self.stream(f"{name}-{aggregate}")

    def stream(self, name: str) -> Any:
        """The state of another stream. Where it is not there yet, the command comes again with it."""
        return self._state(("stream", name))

    def tagged(self, *tags: str) -> Any:
        """The state of the events that have all of these tags."""
        return self._state(("tags", tuple(sorted(tags))))

    def _state(self, scope: Scope) -> Any:
        for slot in self.given:
            if slot.scope == scope:
                return slot.state
        self.wanted.append(scope)
        raise _Wanted


@dataclass
class Written:
    """An event as it was decided, and where it goes."""

    event: Any
    kind: int
    stream: str
    tags: list[str]
    payload: str
    claims: list[tuple[int, str, bool]]
    to: tuple[str, list[str]]


Outcome = tuple[str, Any]
"""`("accepted", COUNT)`, `("unchanged", None)`, `("rejected", REJECTION)` or `("wants", SCOPES)`."""


@dataclass
class Slots:
    """The states that a host has put here, by the numbers that it gave them."""

    decider: Decider
    states: dict[int, _Slot] = field(default_factory=dict)
    position: int | None = None

    def load(self, numbers: list[int], scopes: list[Scope], saved: Any) -> None:
        codec = codec_of(self.decider.state)
        for number, scope, text in zip(numbers, scopes, Texts(saved), strict=True):
            assert codec.decode is not None
            state = codec.decode(json.loads(text)) if text else self.decider.state()
            self.states[number] = _Slot(scope, state)

    def save(self, numbers: list[int]) -> list[str]:
        codec = codec_of(self.decider.state)
        return [codec.encode(self._slot(number).state) for number in numbers]

    def drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self.states.pop(number, None)

    def evolve(self, numbers: list[int], batch: Any) -> None:
        kinds = self.decider.events
        for index, event in enumerate(events(batch, [(kind.name, kind.schema) for kind in kinds])):
            self.position = event.position
            self._fold(self._slot(numbers[index]), kinds[batch.kinds[index]].read(event.data))
        self.position = None

    def decide(self, asked: Any) -> tuple[list[Outcome], list[Written]]:
        outcomes: list[Outcome] = []
        every: list[Written] = []
        ids, payloads, start = Texts(asked.ids), Texts(asked.payloads), 0
        for index, kind in enumerate(asked.kinds):
            end = asked.slot_ends[index]
            given = [self._slot(number) for number in dict.fromkeys(asked.slots[start:end])]
            start = end
            context = Context(self.decider.own, ids.at(index), asked.times[index], asked.seeds[index], given)
            command = self.decider.commands[kind].read(json.loads(payloads.at(index)))
            outcome, made = self._decided(command, context)
            outcomes.append(outcome)
            for one in made:
                every.append(one)
                for slot in given:
                    if _has(slot.scope, *one.to):
                        self._fold(slot, one.event)
        return outcomes, every

    def _decided(self, command: Any, context: Context) -> tuple[Outcome, list[Written]]:
        made = None
        try:
            made = self.decider.functions["decide"](context.given[0].state, command, context)
        except Rejection as rejection:
            if not context.wanted:
                return ("rejected", rejection), []
        except _Wanted:
            pass
        # What was decided without a state that was asked for does not count.
        if context.wanted:
            return ("wants", context.wanted), []
        if not made:
            return ("unchanged", None), []
        return ("accepted", len(made)), [self._written(event, context.id) for event in made]

    def _written(self, event: Any, aggregate: str) -> Written:
        decider, call = self.decider, self.decider.functions
        kind = next((number for number, kind in enumerate(decider.events) if kind.made is type(event)), None)
        if kind is None:
            raise Fault(f"{type(event).__name__} is not among the events of the decider")
        stream = call["stream"](event, aggregate) if "stream" in call else None
        tags = list(call["tags"](event)) if "tags" in call else []
        scopes = list(decider.claims)
        claims = [(scopes.index(one.scope), one.value, one.released) for one in self._claimed(event)]
        way, name = decider.own
        place = (stream or f"{name}-{aggregate}", [*tags, f"{name}:{aggregate}"] if way == "tag" else tags)
        return Written(event, kind, stream or "", tags, decider.events[kind].codec.encode(event), claims, place)

    def _claimed(self, event: Any) -> list[Claim]:
        found = self.decider.functions["claimed"](event) if "claimed" in self.decider.functions else []
        for one in found:
            if one.scope not in self.decider.claims:
                raise Fault(f"a claim {one.scope!r} is not declared")
        return found

    def _fold(self, slot: _Slot, event: Any) -> None:
        state = self.decider.functions["evolve"](slot.state, event)
        if state is not None:
            slot.state = state

    def _slot(self, number: int) -> _Slot:
        slot = self.states.get(number)
        if slot is None:
            raise Fault("the host named a slot that it has not filled")
        return slot


def _has(scope: Scope, stream: str, tags: list[str]) -> bool:
    way, wanted = scope
    return wanted == stream if way == "stream" else all(tag in tags for tag in wanted)
