"""The client: what can be asked of a host, and sessions that see what they have written."""

from __future__ import annotations

import json
import ssl
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .connection import Answer, Connections, Parameters, Retries
from .problems import Problem
from .subscription import Subscription
from .types import Appended, Decided, Event, EventPage, NewEvent, Row, Transaction

#: What a stream has to be at: its revision, `no_stream`, `exists`, or nothing at all.
Expected = int | str | None


@dataclass(frozen=True)
class Rows:
    """Rows, with the version that gave them and how far it was."""

    rows: list[Row]
    version: int
    position: int | None
    session: str


class Client:
    """A host, at its address. Threads may share a client.

    `key` is an API key; `key_file` a file that has it, so that it need not stand in a program. `name` tells the host
    whose requests take turns. `actor` goes into the history of projections.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:7070",
        *,
        key: str | None = None,
        key_file: str | Path | None = None,
        name: str | None = None,
        actor: str | None = None,
        retries: Retries = Retries(),
        timeout: float = 70.0,
        tls: ssl.SSLContext | None = None,
    ):
        if key_file is not None:
            key = Path(key_file).read_text().strip()
        said = {
            "Authorization": f"Bearer {key}" if key else None,
            "Kinora-Client": name,
            "Kinora-Actor": actor,
        }
        headers = {header: value for header, value in said.items() if value}
        self._connections = Connections(url, headers, retries, timeout, tls)

    def close(self) -> None:
        self._connections.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, stream: str, events: Sequence[NewEvent], *, expected: Expected = None) -> Appended:
        """Appends events to a stream, all or none. Those without an id get one, so that the append can be sent again
        when its answer is lost: it is not done twice."""
        path = self._connections.path(["v1", "streams", stream, "events"])
        body = [_with_id(event) for event in events]
        return self._connections.ask("POST", path, body, _expected(expected)).json()

    def transact(self, transaction: Transaction, *, key: str | None = None) -> Appended:
        """Appends to several streams, all or none, with a condition and claims."""
        path = self._connections.path(["v1", "transactions"])
        return self._connections.ask("POST", path, transaction, _keyed(key)).json()

    def stream(self, stream: str, **read: Any) -> Iterator[Event]:
        """The events of a stream, page after page; `read`: `after`, `direction`, `limit` (of a page) and others."""
        return self._pages(self._connections.path(["v1", "streams", stream, "events"], _read(read)))

    def log(self, **read: Any) -> Iterator[Event]:
        """The events of the log, page after page; `read`: `types`, `tags`, `stream_prefix`, `after` and others."""
        return self._pages(self._connections.path(["v1", "events"], _read(read)))

    def _pages(self, path: str) -> Iterator[Event]:
        next_path: str | None = path
        while next_path:
            page: EventPage = self._connections.ask("GET", next_path).json()
            yield from page["events"]
            next_path = page["next"]

    def follow_stream(self, stream: str, *, last: str | None = None, **read: Any) -> Subscription:
        """The events of a stream, and then each one as it comes."""
        return Subscription(
            self._connections, self._connections.path(["v1", "streams", stream, "events"], _read(read)), last
        )

    def follow_log(self, *, last: str | None = None, **read: Any) -> Subscription:
        """The events of the log, and then each one as it comes."""
        return Subscription(self._connections, self._connections.path(["v1", "events"], _read(read)), last)

    def follow_rows(self, name: str, table: str, *, last: str | None = None, **ask: Any) -> Subscription:
        """The rows of a list, and then each one as it changes."""
        path = self._connections.path(["v1", "read-models", name, table], ask)
        return Subscription(self._connections, path, last)

    def decide(
        self,
        decider: str,
        aggregate: str,
        command: str,
        data: Any = None,
        *,
        expected: Expected = None,
        key: str | None = None,
        dry_run: bool = False,
    ) -> Decided:
        """Has an aggregate decide a command. It has a key, so that it is decided once however often it is sent; give
        one to say that two calls are the same command. A rejection is a `Problem` of kind `command-rejected`, with
        its code in `more["code"]`."""
        parameters = {"dry_run": True} if dry_run else None
        path = self._connections.path(["v1", "deciders", decider, aggregate, command], parameters)
        headers = _expected(expected) if dry_run else {**_expected(expected), **_keyed(key)}
        return self._connections.ask("POST", path, {} if data is None else data, headers).json()

    def row(self, name: str, table: str, key: str, **ask: Any) -> Any:
        """A row, or None; `ask`: `min_position`, `version`, `at_position` and others."""
        answer = self._row(name, table, key, ask, {})
        return None if answer is None else answer.json()

    def rows(self, name: str, table: str, filters: Mapping[str, str] | None = None, **ask: Any) -> Rows:
        """A page of rows; `filters` such as `{"flights": "gte.100"}`; `ask`: `order`, `limit`, `select` and others."""
        return self._rows(name, table, filters, ask, {})

    def query(self, name: str, query: str, arguments: Any = None, **ask: Any) -> Any:
        """What a projector answers itself."""
        return self._query(name, query, arguments, ask, {}).json()

    def session(self) -> Session:
        """What sees all that it has written, and never less than it has seen."""
        return Session(self)

    def _row(
        self, name: str, table: str, key: str, ask: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Answer | None:
        path = self._connections.path(["v1", "read-models", name, table, *key.split("/")], ask)
        try:
            return self._connections.ask("GET", path, headers=headers)
        except Problem as problem:
            if problem.kind == "unknown-row":
                return None
            raise

    def _rows(
        self,
        name: str,
        table: str,
        filters: Mapping[str, str] | None,
        ask: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> Rows:
        parameters: Parameters = [*(filters or {}).items(), *ask.items()]
        answer = self._connections.ask(
            "GET", self._connections.path(["v1", "read-models", name, table], parameters), headers=headers
        )
        position = answer.headers.get("kinora-position", "")
        return Rows(
            rows=answer.json()["rows"],
            version=int(answer.headers["kinora-version"]),
            position=int(position) if position.isdigit() else None,
            session=answer.headers.get("kinora-session", ""),
        )

    def _query(
        self, name: str, query: str, arguments: Any, ask: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Answer:
        said = {**ask, "arguments": None if arguments is None else json.dumps(arguments)}
        path = self._connections.path(["v1", "read-models", name, "queries", query], said)
        return self._connections.ask("GET", path, headers=headers)


class Session:
    """Reads that wait for one's own writes, and never go back behind what was seen, through promotions, rollbacks and
    restarts. Not for several threads at once."""

    def __init__(self, client: Client):
        self._client = client
        #: The last event that was written here.
        self.position: int | None = None
        self._seen: dict[str, str] = {}

    def append(self, stream: str, events: Sequence[NewEvent], *, expected: Expected = None) -> Appended:
        appended = self._client.append(stream, events, expected=expected)
        self._wrote(appended["last_position"])
        return appended

    def transact(self, transaction: Transaction, *, key: str | None = None) -> Appended:
        appended = self._client.transact(transaction, key=key)
        self._wrote(appended["last_position"])
        return appended

    def decide(self, decider: str, aggregate: str, command: str, data: Any = None, **how: Any) -> Decided:
        decided = self._client.decide(decider, aggregate, command, data, **how)
        self._wrote(decided.get("position"))
        return decided

    def row(self, name: str, table: str, key: str, **ask: Any) -> Any:
        answer = self._client._row(name, table, key, self._ask(ask), self._headers(name))
        if answer is None:
            return None
        self._saw(name, answer.headers.get("kinora-session"))
        return answer.json()

    def rows(self, name: str, table: str, filters: Mapping[str, str] | None = None, **ask: Any) -> Rows:
        rows = self._client._rows(name, table, filters, self._ask(ask), self._headers(name))
        self._saw(name, rows.session)
        return rows

    def query(self, name: str, query: str, arguments: Any = None, **ask: Any) -> Any:
        answer = self._client._query(name, query, arguments, self._ask(ask), self._headers(name))
        self._saw(name, answer.headers.get("kinora-session"))
        return answer.json()

    def _wrote(self, position: int | None) -> None:
        if position is not None:
            self.position = position if self.position is None else max(self.position, position)

    def _saw(self, name: str, session: str | None) -> None:
        if session:
            self._seen[name] = session

    def _ask(self, ask: Mapping[str, Any]) -> dict[str, Any]:
        # Whoever asks for more waits for more; for less there is no session.
        wanted = [position for position in (self.position, ask.get("min_position")) if position is not None]
        return {**ask, "min_position": max(wanted, default=None)}

    def _headers(self, name: str) -> dict[str, str]:
        seen = self._seen.get(name)
        return {"Kinora-Session": seen} if seen else {}


def _with_id(event: NewEvent) -> NewEvent:
    return event if event.get("id") else {**event, "id": str(uuid.uuid4())}


def _expected(expected: Expected) -> dict[str, str]:
    match expected:
        case None | "any":
            return {}
        case "no_stream":
            return {"If-None-Match": "*"}
        case "exists":
            return {"If-Match": "*"}
        case int(revision):
            return {"If-Match": f'"{revision}"'}
    raise ValueError(f"{expected!r} is no expected revision: a number, 'no_stream' or 'exists'")


def _keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def _read(read: Mapping[str, Any]) -> Mapping[str, Any]:
    # `from` is a word of Python's own.
    return {"from" if name == "from_" else name: value for name, value in read.items()}
