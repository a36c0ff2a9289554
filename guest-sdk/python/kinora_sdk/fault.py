"""Faults: why a guest cannot go on, as the person who has to mend it reads it."""

from __future__ import annotations

import os

FRAMES = 12
"""Frames of a stack that are shown."""

_OWN = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """Stops this version, with a sentence: `raise event.fault("...")`."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class InvalidArguments(Exception):
    """The arguments of a named query do not fit."""


def said(raised: BaseException) -> str:
    """What is said of anything that was raised. A fault says it itself; of another error the stack matters, too."""
    if isinstance(raised, Fault):
        return raised.message
    lines = [f"{type(raised).__name__}: {raised}", *_stack(raised)]
    return "\n".join(lines)


def _stack(raised: BaseException) -> list[str]:
    """The frames of an error, innermost first. Without lines of source: a guest has no files to read them from."""
    frames = []
    trace = raised.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OWN) and not code.co_filename.startswith("<"):
            frames.append(f"    at {code.co_qualname} ({_shown(code.co_filename)}:{trace.tb_lineno})")
        trace = trace.tb_next
    return frames[::-1][:FRAMES]


def _shown(path: str) -> str:
    """A path as it stands below the folder that the guest was built from; the tool calls that by a number."""
    parts = path.split("/")
    return "/".join(parts[2:]) if path.startswith("/") and len(parts) > 2 and parts[1].isdigit() else path
