"""The component of a decider: the contract's shapes on one side, states in slots on the other."""

from __future__ import annotations

import json
from typing import Any

from kinora_sdk.decider import Decider, Outcome, Scope, Slots


def decider_component(declared: Decider, world: Any) -> type:
    """The class that exports the world."""
    slots, deciding = Slots(declared), world.deciding

    def taken(scope: Any) -> Scope:
        is_stream = isinstance(scope, deciding.Scope_Stream)
        return ("stream", scope.value) if is_stream else ("tags", tuple(sorted(scope.value)))

    def given(scope: Scope) -> Any:
        way, wanted = scope
        return deciding.Scope_Stream(wanted) if way == "stream" else deciding.Scope_Tags(list(wanted))

    def outcome(found: Outcome) -> Any:
        what, value = found
        if what == "accepted":
            return deciding.Outcome_Accepted(value)
        if what == "unchanged":
            return deciding.Outcome_Unchanged()
        if what == "wants":
            return deciding.Outcome_Wants([given(scope) for scope in value])
        details = json.dumps(value.details, ensure_ascii=False) if value.details else ""
        return deciding.Outcome_Rejected(deciding.Rejection(value.code, value.message, details))

    def called(call: Any, *arguments: Any) -> Any:
        slots.position = None
        try:
            return call(*arguments)
        except BaseException as raised:
            raise world.fault(raised, slots.position) from None

    class WitWorld:
        def describe(self) -> Any:
            return world.described(lambda: _manifest(declared, world))

        def load(self, numbers: Any, scopes: Any, states: Any) -> None:
            called(slots.load, numbers, [taken(scope) for scope in scopes], states)

        def evolve(self, numbers: Any, events: Any) -> None:
            called(slots.evolve, numbers, events)

        def decide(self, commands: Any) -> Any:
            outcomes, made = called(slots.decide, commands)
            claims = [
                deciding.Claim(index, kind, value, released)
                for index, one in enumerate(made)
                for kind, value, released in one.claims
            ]
            return deciding.Decisions(
                [outcome(found) for found in outcomes],
                [one.kind for one in made],
                world.column([one.stream for one in made]),
                world.column([one.payload for one in made]),
                world.column(["\n".join(one.tags) for one in made]),
                claims,
            )

        def save(self, numbers: Any) -> Any:
            return world.column(called(slots.save, numbers))

        def drop(self, numbers: Any) -> None:
            slots.drop(numbers)

    return WitWorld


def _manifest(declared: Decider, world: Any) -> Any:
    deciding = world.deciding
    way, name = declared.own
    own = deciding.OwnScope_Category(name) if way == "category" else deciding.OwnScope_Tag(name)

    def schema(kind: Any) -> str:
        return json.dumps(kind.codec.schema, ensure_ascii=False)

    folds = [world.event_type((kind.name, kind.schema)) for kind in declared.events]
    return deciding.DeciderManifest(
        declared.name,
        own,
        [deciding.CommandType(kind.name, kind.description, schema(kind)) for kind in declared.commands],
        folds,
        list(declared.ignores),
        [deciding.EmittedType(kind, schema(one)) for kind, one in zip(folds, declared.events, strict=True)],
        [deciding.ClaimType(scope, code, message) for scope, (code, message) in declared.claims.items()],
        world.needs(()),
    )
