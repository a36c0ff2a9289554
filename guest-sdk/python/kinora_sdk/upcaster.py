"""Upcasters: functions that bring an event of an old schema to a newer one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kinora_sdk.codec import Codec, Expected, codec_of
from kinora_sdk.event import Event, events

DROP = object()
"""What a step returns for an event that it drops on purpose."""

EventType = tuple[str, int]


@dataclass
class Step:
    """One step: what comes in, all that may come out of it, and the function in between."""

    origin: EventType
    outputs: list[EventType]
    several: bool
    codec: Codec
    convert: Callable[[Any, Event], Any]


class Upcaster:
    """Brings events of an old schema to a newer one; a function for each step."""

    world = "upcaster"

    def __init__(self, name: str, *, needs: Sequence[str] = ()) -> None:
        self.name, self.needs = name, needs
        self.steps: list[Step] = []

    @property
    def kinora(self) -> Upcaster:
        return self

    def step(self, origin: EventType, to: EventType | list[EventType], data: Any = Any) -> Callable[[Any], Any]:
        """Declares a function `(data, event)` as a step.

        It returns the new data, of the type `data`; or, where `to` is a list, a list of type, schema and data. `DROP`
        drops the event.
        """

        def declared(convert: Callable[[Any, Event], Any]) -> Callable[[Any, Event], Any]:
            several = isinstance(to, list)
            outputs = to if isinstance(to, list) else [to]
            self.steps.append(Step(origin, outputs, several, codec_of(data), convert))
            return convert

        return declared

    def upcast(self, batch: Any, at: list[int]) -> tuple[list[int], list[int], list[str], list[int]]:
        """Origins, kinds and payloads of the outputs, and what is dropped. `at[0]` is the event that is handled."""
        origins: list[int] = []
        kinds: list[int] = []
        payloads: list[str] = []
        dropped: list[int] = []
        for index, event in enumerate(events(batch, [step.origin for step in self.steps])):
            at[0] = event.position
            outputs = _outputs(self.steps[batch.kinds[index]], event)
            if outputs is None:
                dropped.append(index)
            for kind, written in outputs or ():
                origins.append(index)
                kinds.append(kind)
                payloads.append(written)
        return origins, kinds, payloads, dropped


def _outputs(step: Step, event: Event) -> list[tuple[int, str]] | None:
    made = step.convert(event.data, event)
    if made is DROP:
        return None
    if made is None or made == [] and step.several:
        kind, schema = step.origin
        raise event.fault(f"the step for {kind} schema {schema} neither changed nor dropped the event")
    outputs = []
    for kind, schema, data in made if step.several else [(*step.outputs[0], made)]:
        if (kind, schema) not in step.outputs:
            raise event.fault(f"{kind} schema {schema} is not a declared output of this step")
        try:
            outputs.append((step.outputs.index((kind, schema)), step.codec.encode(data)))
        except (Expected, ValueError) as cause:
            raise event.fault(f"{kind} schema {schema} does not encode: {cause}") from cause
    return outputs
