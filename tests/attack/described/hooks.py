"""Hooks of schemathesis: bodies that it does not know how to write."""

import schemathesis


@schemathesis.serializer("application/wasm")
def wasm(_context, value):
    """Bytes by chance: none of them is a module."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
