"""Codecs of rows: from types to JSON Schema, to JSON byte for byte, and back."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from json.encoder import encode_basestring as _text
from typing import Any

HIDDEN = "kinora.hidden"
"""In `Annotated[T, HIDDEN]`: stored, and handed back to the projector, but not shown to readers."""


class Expected(TypeError):
    """A value is not of the type that is declared."""


@dataclasses.dataclass(frozen=True)
class Codec:
    """How values of a type are written and read. `decode` is None where JSON is the value itself."""

    schema: dict[str, Any]
    encode: Callable[[Any], str]
    decode: Callable[[Any], Any] | None = None


def written_float(value: float) -> str:
    """A number as Rust and its serde_json write a float: with a point or an exponent, the shortest that reads back."""
    if type(value) is int:
        value = float(value)
    if type(value) is not float or value != value or value in (float("inf"), float("-inf")):
        raise Expected(f"expected a finite number, found {value!r}")
    written = repr(value)
    if "e" not in written:
        return written
    mantissa, exponent = written.split("e")
    if int(exponent) != -5:
        return f"{mantissa}e{int(exponent):+}"
    sign = "-" if mantissa.startswith("-") else ""
    return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"


def _integer(value: Any) -> str:
    if type(value) is not int:
        raise Expected(f"expected an integer, found {value!r}")
    return repr(value)


def _boolean(value: Any) -> str:
    if type(value) is not bool:
        raise Expected(f"expected True or False, found {value!r}")
    return "true" if value else "false"


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Expected(f"expected a text, found {value!r}")
    return _text(value)


def _anything(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


_PLAIN = {
    int: Codec({"type": "integer"}, _integer),
    float: Codec({"type": "number"}, written_float, float),
    bool: Codec({"type": "boolean"}, _boolean),
    str: Codec({"type": "string"}, _string),
    Any: Codec({}, _anything),
}

_known: dict[Any, Codec] = {}


def codec_of(kind: Any) -> Codec:
    """The codec of a type: int, float, str, bool, Any, X | None, list[X], dict[str, X], or a dataclass of these."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind not in _known:
        _known[kind] = _made(kind)
    return _known[kind]


def _made(kind: Any) -> Codec:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        codec = codec_of(inner[0])
        return dataclasses.replace(codec, schema={**codec.schema, "writeOnly": True}) if HIDDEN in inner else codec
    if origin in (typing.Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        return _nullable(codec_of(inner[0] if inner[1] is type(None) else inner[1]))
    if origin is list:
        return _list(codec_of(inner[0]))
    if origin is dict and inner[0] is str:
        return _map(codec_of(inner[1]))
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    if hasattr(kind, "kinora_codec"):
        return kind.kinora_codec()
    raise TypeError(f"{kind!r} is no type of a row: int, float, str, bool, Any, X | None, list, dict or a dataclass is")


def _nullable(codec: Codec) -> Codec:
    kind = codec.schema.get("type")
    either = {"anyOf": [codec.schema, {"type": "null"}]}
    schema = {**codec.schema, "type": [kind, "null"]} if isinstance(kind, str) else either
    encode, decode = codec.encode, codec.decode
    return Codec(
        schema,
        lambda value: "null" if value is None else encode(value),
        decode and (lambda value: None if value is None else decode(value)),
    )


def _list(codec: Codec) -> Codec:
    encode, decode = codec.encode, codec.decode
    return Codec(
        {"type": "array", "items": codec.schema},
        lambda value: f"[{','.join(map(encode, value))}]",
        decode and (lambda value: [decode(item) for item in value]),
    )


def _map(codec: Codec) -> Codec:
    """Values by name, written in the order of their names. Python orders texts by code points, as UTF-8 does."""
    encode, decode = codec.encode, codec.decode
    return Codec(
        {"type": "object", "additionalProperties": codec.schema},
        lambda value: "{" + ",".join(f"{_text(name)}:{encode(value[name])}" for name in sorted(value)) + "}",
        decode and (lambda value: {name: decode(inside) for name, inside in value.items()}),
    )


def _object(kind: type) -> Codec:
    hints = typing.get_type_hints(kind, include_extras=True)
    members = [(field.name, codec_of(hints[field.name])) for field in dataclasses.fields(kind)]
    heads = [("," if number else "{") + _text(name) + ":" for number, (name, _) in enumerate(members)]
    parts = [(head, name, codec.encode) for head, (name, codec) in zip(heads, members, strict=True)]
    hooks = [(name, codec.decode) for name, codec in members if codec.decode]

    def encode(value: Any) -> str:
        if type(value) is not kind:
            raise Expected(f"expected {kind.__name__}, found {value!r}")
        members = value.__dict__
        written = []
        for head, name, encode_member in parts:
            try:
                written.append(head + encode_member(members[name]))
            except Expected as cause:
                raise Expected(f"{name}: {cause}") from None
        return "".join(written) + "}" if written else "{}"

    def decode(value: dict[str, Any]) -> Any:
        for name, decode_member in hooks:
            if name in value:
                value[name] = decode_member(value[name])
        return kind(**value)

    schema = {
        "type": "object",
        "properties": {name: codec.schema for name, codec in members},
        "required": [name for name, _ in members],
        "additionalProperties": False,
    }
    own = getattr(kind, "kinora_codec", None)
    return own(schema, encode, decode) if own else Codec(schema, encode, decode)
