"""Connections to a host: requests that are sent again until they have an answer."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .problems import Problem, Unreachable

Parameters = Mapping[str, Any] | list[tuple[str, Any]]

#: What a broken connection raises.
BROKEN = (OSError, http.client.HTTPException)

#: Connections that are kept when nobody needs them.
KEPT = 8

#: Statuses with which a host or what is in front of it asks for patience.
BUSY = (429, 502, 503, 504)


@dataclass(frozen=True)
class Retries:
    """How long a request is sent again: for so many seconds, with pauses that double from `first` to `longest`."""

    seconds: float = 30.0
    first: float = 0.05
    longest: float = 2.0

    def pause(self, attempt: int) -> float:
        # Many clients that have lost the same host must not come back at the same moment.
        return min(self.longest, self.first * 2 ** min(attempt, 16)) * random.uniform(0.5, 1.0)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Connections:
    """Kept connections to one host. Threads may share it."""

    def __init__(
        self, url: str, headers: Mapping[str, str], retries: Retries, timeout: float, tls: ssl.SSLContext | None
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of a host, such as http://127.0.0.1:7070")
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._headers, self.retries, self._timeout = dict(headers), retries, timeout
        self._kept: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def path(self, segments: list[str], parameters: Parameters | None = None) -> str:
        for segment in segments:
            # Paths give these a meaning of their own, encoded or not.
            if segment in ("", ".", ".."):
                raise ValueError(f"the name {segment!r} cannot stand in a path: names are not empty, `.` or `..`")
        pairs = list(parameters.items() if isinstance(parameters, Mapping) else parameters or [])
        said = urlencode([(name, _text(value)) for name, value in pairs if value is not None])
        path = self._base + "".join(f"/{quote(segment, safe='')}" for segment in segments)
        return f"{path}?{said}" if said else path

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Asks until there is an answer. Whatever is sent must be harmless when it is sent twice."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        given = {"Content-Type": "application/json"} if content is not None else {}
        sent = {**self._headers, **given, **(headers or {})}
        end, attempt = time.monotonic() + self.retries.seconds, 0
        while True:
            why, pause = None, self.retries.pause(attempt)
            try:
                answer = self._once(method, path, content, sent)
                if answer.status < 400:
                    return answer
                problem = Problem.of(answer.status, answer.body)
                after = answer.headers.get("retry-after", "")
                # A host that says when is busy; one that does not say means it.
                if answer.status not in BUSY or not after.isdigit():
                    raise problem
                why, pause = problem, max(pause, float(after))
            except BROKEN as broken:
                why = Unreachable(f"no answer from {self._host}: {broken or type(broken).__name__}")
            if time.monotonic() + pause > end:
                raise why
            attempt += 1
            time.sleep(pause)

    def _once(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._take()
        try:
            connection.request(method, path, body=content, headers=dict(headers))
            response = connection.getresponse()
            answer = Answer(response.status, {name.lower(): of for name, of in response.getheaders()}, response.read())
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return answer

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            return self._kept.pop() if self._kept else self.open(self._timeout)

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._kept) < KEPT:
                self._kept.append(connection)
                return
        connection.close()

    def open(self, timeout: float) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**self._headers, **more}

    def close(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
