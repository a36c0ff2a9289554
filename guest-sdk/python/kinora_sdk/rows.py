"""Rows: decoded once, kept while hot, written back when the host wants to commit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from kinora_sdk.codec import Expected, codec_of
from kinora_sdk.fault import Fault

T = TypeVar("T")

PAGE_ROWS = 1000
"""Rows that a scan asks the host for at once."""

WRITE_CHARACTERS = 1 << 20
"""Characters of rows that are handed over at once, about: more would only hold more memory."""

CACHED_ROWS = 50_000
"""Rows of a table that are kept decoded after a flush; beyond it the cache is emptied."""

FETCHED_ROWS = 8192
"""Rows that are read at once."""


class Table(Generic[T]):
    """A table of the read model: what its key stands for, what its rows are, its indexes."""

    def __init__(
        self,
        name: str,
        row: type[T],
        *,
        key: str,
        indexes: Mapping[str, Sequence[str]] | None = None,
        unique: Mapping[str, Sequence[str]] | None = None,
        history: int | None = None,
    ) -> None:
        self.name, self.row, self.key, self.history = name, row, key, history
        self.indexes, self.unique = dict(indexes or {}), dict(unique or {})
        self.codec = codec_of(row)


def composite_key(*parts: str) -> str:
    """A key of several parts, such as a date and a route. A slash within a part becomes `%2F`, a percent sign `%25`."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


class Backend(Protocol):
    """The rows that are not in memory."""

    def get_many(self, table: int, keys: list[str]) -> list[str]: ...

    def scan(
        self, table: int, start: str | None, end: str | None, reverse: bool, limit: int
    ) -> list[tuple[str, str]]: ...

    def write(self, table: int, keys: list[str], values: list[str]) -> None: ...


class _Cache:
    """The rows that one instance has in memory, of one table."""

    def __init__(self, table: Table[Any], index: int) -> None:
        self.table, self.index = table, index
        self.rows: dict[str, Any] = {}
        self.dirty: dict[str, None] = {}
        self.wanted: dict[str, None] = {}

    def decode(self, key: str, written: str) -> Any:
        try:
            row = json.loads(written)
            return self.table.codec.decode(row) if self.table.codec.decode else row
        except (TypeError, ValueError) as cause:
            raise Fault(f"row {key!r} of table {self.table.name!r} does not decode: {cause}") from cause

    def encode(self, key: str, row: Any) -> str:
        try:
            return self.table.codec.encode(row)
        except Expected as cause:
            raise Fault(f"row {key!r} of table {self.table.name!r}: {cause}") from cause


class Rows:
    """What an event handler has of the read model."""

    def __init__(self, tables: Sequence[Table[Any]], backend: Backend) -> None:
        self._backend = backend
        self._caches = {table: _Cache(table, index) for index, table in enumerate(tables)}
        self._read = 0

    def entry(self, table: Table[T], key: str) -> T:
        """A row to change; a new one, with the defaults of its type, if there is none."""
        try:
            cache = self._caches[table]
        except KeyError:
            raise _undeclared(table) from None
        row = cache.rows.get(key)
        if row is None:
            row = self._cached(cache, key)
            if row is None:
                row = cache.rows[key] = table.row()
        cache.dirty[key] = None
        return row

    def get(self, table: Table[T], key: str) -> T | None:
        """A row to look at, or None. To change it take `entry`."""
        return self._cached(self._cache(table), key)

    def put(self, table: Table[T], key: str, row: T) -> None:
        """Puts a row, whatever was there: nothing is read for it."""
        self._replace(table, key, row)

    def delete(self, table: Table[Any], key: str) -> None:
        """Deletes a row, if it is there."""
        self._replace(table, key, None)

    def scan(
        self, table: Table[T], start: str | None = None, end: str | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[str, T]]:
        """Keys and rows in the order of their keys, as they are now: from `start` up to, and without, `end`."""
        cache = self._cache(table)
        # A scan sees the rows that this instance has not written yet, too.
        self.flush()
        while page := self._backend.scan(cache.index, start, end, reverse, PAGE_ROWS):
            for key, written in page:
                yield key, cache.decode(key, written)
            # A key never contains a NUL, so this is the key right after the last one.
            last = page[-1][0]
            start, end = (start, last) if reverse else (f"{last}\0", end)

    def want(self, table: Table[Any], key: str) -> None:
        """Says that an event is going to touch a row."""
        cache = self._caches.get(table)
        if cache is not None and key not in cache.rows:
            cache.wanted[key] = None

    def fetch(self) -> None:
        """Reads all rows that are wanted, at once."""
        for cache in self._caches.values():
            keys = list(cache.wanted)
            cache.wanted.clear()
            for first in range(0, len(keys), FETCHED_ROWS):
                some = keys[first : first + FETCHED_ROWS]
                for key, written in zip(some, self._backend.get_many(cache.index, some), strict=True):
                    cache.rows[key] = cache.decode(key, written) if written else None
                self._read += len(some)

    def read_since(self) -> int:
        """How many rows were read since this was called last."""
        read, self._read = self._read, 0
        return read

    def flush(self) -> None:
        """Writes what has changed."""
        for cache in self._caches.values():
            keys: list[str] = []
            values: list[str] = []
            length = 0
            for key in cache.dirty:
                row = cache.rows[key]
                written = "" if row is None else cache.encode(key, row)
                keys.append(key)
                values.append(written)
                length += len(key) + len(written)
                if length >= WRITE_CHARACTERS:
                    self._backend.write(cache.index, keys, values)
                    keys, values, length = [], [], 0
            if keys:
                self._backend.write(cache.index, keys, values)
            cache.dirty.clear()
            if len(cache.rows) > CACHED_ROWS:
                cache.rows.clear()

    def _cache(self, table: Table[Any]) -> _Cache:
        cache = self._caches.get(table)
        if cache is None:
            raise _undeclared(table)
        return cache

    def _cached(self, cache: _Cache, key: str) -> Any:
        if key in cache.rows:
            return cache.rows[key]
        if type(key) is not str:
            raise Fault(f"a key of table {cache.table.name!r} is a text, not {key!r}")
        self._read += 1
        written = self._backend.get_many(cache.index, [key])[0]
        row = cache.rows[key] = cache.decode(key, written) if written else None
        return row

    def _replace(self, table: Table[Any], key: str, row: Any) -> None:
        cache = self._cache(table)
        cache.rows[key] = row
        cache.dirty[key] = None


def _undeclared(table: Any) -> Fault:
    return Fault(f"table {getattr(table, 'name', table)!r} is not among the tables of the projector")
