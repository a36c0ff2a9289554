"""Subscriptions: messages as they come, over as many connections as it takes."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .connection import BROKEN, BUSY, Connections
from .problems import Problem, Unreachable

#: Seconds without a word after which a connection is taken for broken: a host says something every 15 of them.
SILENCE = 45.0


@dataclass(frozen=True)
class Message:
    """What a host says: its kind, such as `event` or `caught-up`, and its data. `id` is what one goes on behind."""

    id: str
    kind: str
    data: Any


class Subscription:
    """An iterator of messages that goes on behind the last one when its connection breaks, and so loses and repeats
    nothing. `last` may be kept, and given to another subscription to go on there. `close` ends it."""

    def __init__(self, connections: Connections, path: str, last: str | None = None):
        self._connections, self._path = connections, path
        self._connection: http.client.HTTPConnection | None = None
        self._messages: Iterator[Message] = iter(())
        self._closed = False
        self.last = last

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Message:
        retries, attempt, silent_since = self._connections.retries, 0, time.monotonic()
        while not self._closed:
            why: Exception = Unreachable("the host has ended the subscription, and cannot be reached again")
            try:
                if self._connection is None:
                    self._messages = self._open()
                message = next(self._messages, None)
                if message is not None:
                    return self._taken(message)
            except BROKEN as broken:
                why = Unreachable(f"the subscription is broken: {broken or type(broken).__name__}")
            except Problem as problem:
                if problem.status not in BUSY:
                    raise
                why = problem
            self._let_go()
            if self._closed:
                break
            pause = retries.pause(attempt)
            if time.monotonic() + pause - silent_since > retries.seconds + SILENCE:
                raise why
            attempt += 1
            time.sleep(pause)
        raise StopIteration

    def _taken(self, message: Message) -> Message:
        if message.kind == "problem":
            self.close()
            raise Problem(message.data)
        self.last = message.id or self.last
        return message

    def _open(self) -> Iterator[Message]:
        self._connection = self._connections.open(SILENCE)
        last = {"Last-Event-ID": self.last} if self.last else {}
        headers = self._connections.headers({"Accept": "text/event-stream", **last})
        self._connection.request("GET", self._path, headers=headers)
        response = self._connection.getresponse()
        if response.status != 200:
            raise Problem.of(response.status, response.read())
        return messages(line.decode("utf-8", "replace").rstrip("\r\n") for line in response)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self._closed = True
        self._let_go()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """The messages of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). One that is
    cut off is none."""
    last, kind, data = "", "message", []
    for line in lines:
        if not line:
            if data:
                yield Message(last, kind, json.loads("\n".join(data)))
            kind, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
        elif field == "id":
            last = value
