"""Problems: why there is no answer."""

from __future__ import annotations

import json
from typing import Any


class Problem(Exception):
    """What the host has refused, or could not do (RFC 9457).

    `kind` is stable, such as `wrong-expected-revision`; `detail` says what is wrong, `hint` what to do, and `more` has what
    depends on the kind.
    """

    def __init__(self, members: dict[str, Any]):
        self.kind: str = str(members.get("type", "")).rsplit("/", 1)[-1]
        self.status: int = int(members.get("status", 0))
        self.detail: str = str(members.get("detail", ""))
        self.hint: str | None = members.get("hint")
        known = {"type", "title", "status", "detail", "hint"}
        self.more: dict[str, Any] = {name: value for name, value in members.items() if name not in known}
        hint = f" (hint: {self.hint})" if self.hint else ""
        super().__init__(f"{self.kind}: {self.detail}{hint}")

    @classmethod
    def of(cls, status: int, body: bytes) -> Problem:
        """What an answer says, whoever gave it: something in front of the host has its own words."""
        try:
            members = json.loads(body)
        except ValueError:
            members = None
        if not isinstance(members, dict) or "type" not in members:
            text = body.decode("utf-8", "replace").strip()[:200]
            members = {"type": "unknown", "status": status, "detail": text or f"the answer has status {status}"}
        return cls(members)


class Unreachable(ConnectionError):
    """There was no whole answer, however often it was asked for. Whether a change was made is not known; the same
    change with the same ids, or the same key, may be sent again."""
