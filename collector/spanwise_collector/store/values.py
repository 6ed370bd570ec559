"""Attribute values of any OTLP type, split by type for the store's maps and put together again unchanged.

Strings, 64-bit integers, floats and booleans go to the map of their type. Everything else (arrays, nested
maps, bytes, empty values, larger integers) is *typed JSON*: JSON in which an object with one key that starts
with ``$`` stands for what JSON cannot say: ``{"$bytes": base64}``, ``{"$float": "nan"}``, and
``{"$map": {...}}`` for an object that would itself look like one of these.
"""

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

from spanwise_collector.model import AnyValue

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def encode(value: AnyValue) -> str:
    """Write one value as typed JSON.

    Raises:
        TypeError: The value is of a type OTLP does not have.
    """
    return json.dumps(_tagged(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str) -> Any:  # any AnyValue; the caller knows which
    """Read what ``encode`` wrote."""
    return json.loads(text, object_hook=_untagged)


def encode_map(attributes: dict[str, AnyValue]) -> str:
    """Write a whole map; ``""`` is the empty one."""
    return encode(attributes) if attributes else ""


def decode_map(text: str) -> dict[str, AnyValue]:
    """Read what ``encode_map`` wrote."""
    if not text:
        return {}
    members: dict[str, AnyValue] = json.loads(text, object_hook=_untagged)
    return members


def _tagged(value: AnyValue) -> Any:  # what json.dumps takes
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        members = {key: _tagged(member) for key, member in value.items()}
        return {"$map": members} if len(members) == 1 and next(iter(members)).startswith("$") else members
    if isinstance(value, list | tuple):
        return [_tagged(member) for member in value]
    raise TypeError(f"an attribute value is of type {type(value).__name__}, which OTLP does not have")


def _untagged(members: dict[str, Any]) -> Any:  # the value that the object stands for
    if len(members) != 1:
        return members
    tag, payload = next(iter(members.items()))
    if tag == "$bytes":
        return base64.b64decode(payload)
    if tag == "$float":
        return float(payload)
    # json.loads calls the hook from the inside out: the payload of a $map has been through it already.
    return payload if tag == "$map" else members


class TypedColumn:
    """One map column of many rows: all keys, all values, and where each row ends."""

    __slots__ = ("keys", "offsets", "values")

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.values: list[Any] = []
        self.offsets: list[int] = [0]


class TypedColumns:
    """The five map columns of many rows of attributes."""

    __slots__ = ("boolean", "floating", "integer", "json", "string")

    def __init__(self, rows: Iterable[dict[str, AnyValue]]) -> None:
        self.string, self.integer, self.floating = TypedColumn(), TypedColumn(), TypedColumn()
        self.boolean, self.json = TypedColumn(), TypedColumn()
        self._fill(rows)

    def _fill(self, rows: Iterable[dict[str, AnyValue]]) -> None:
        # The hot loop of an insert: bound methods, exact type tests, rare types in a function of their own.
        add_key, add_value = self.string.keys.append, self.string.values.append
        add_integer_key, add_integer = self.integer.keys.append, self.integer.values.append
        columns = (self.string, self.integer, self.floating, self.boolean, self.json)
        ends = [(column.offsets.append, column.keys) for column in columns]
        for attributes in rows:
            for key, value in attributes.items():
                kind = type(value)
                if kind is str:
                    add_key(key)
                    add_value(value)
                elif kind is int and INT64_MIN <= value <= INT64_MAX:  # type: ignore[operator]
                    add_integer_key(key)
                    add_integer(value)
                else:
                    self._add_other(key, value)
            for add_offset, keys in ends:
                add_offset(len(keys))

    def _add_other(self, key: str, value: AnyValue) -> None:
        if isinstance(value, bool):
            column: TypedColumn = self.boolean
            stored: Any = value
        elif isinstance(value, float):
            column, stored = self.floating, value
        elif isinstance(value, str):
            column, stored = self.string, str(value)
        else:
            column, stored = self.json, encode(value)
        column.keys.append(key)
        column.values.append(stored)
