"""Attribute values of any OTLP type, split by type for the store's maps and put together again unchanged.

Strings, 64-bit integers, floats and booleans go to the map of their type. Everything else (arrays, nested
maps, bytes, empty values, larger integers) is *typed JSON*: JSON in which an object with one key that starts
with ``$`` stands for what JSON cannot say: ``{"$bytes": base64}``, ``{"$float": "nan"}``, and
``{"$map": {...}}`` for an object that would itself look like one of these.
"""

import base64
import json
import math
from typing import Any

import orjson

from spanwise_collector.model import AnyValue

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_PLAIN = frozenset({str, bool, type(None)})


def encode(value: AnyValue) -> str:
    """Write one value as typed JSON.

    Raises:
        TypeError: The value is of a type OTLP does not have.
    """
    if type(value) is list and _PLAIN.issuperset(map(type, value)):
        return orjson.dumps(value).decode()
    return _encode_json(_tagged(value))


def decode(text: str) -> Any:  # any AnyValue; the caller knows which
    """Read what ``encode`` wrote."""
    value = json.loads(text)
    return _untagged(value) if '"$' in text else value


def encode_map(attributes: dict[str, AnyValue]) -> str:
    """Write a whole map; ``""`` is the empty one."""
    return encode(attributes) if attributes else ""


def decode_map(text: str) -> dict[str, AnyValue]:
    """Read what ``encode_map`` wrote."""
    if not text:
        return {}
    members: dict[str, AnyValue] = decode(text)
    return members


def _tagged(value: AnyValue) -> Any:  # what json.dumps takes
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        members = {key: _tagged(member) for key, member in value.items()}
        return {"$map": members} if len(members) == 1 and next(iter(members)).startswith("$") else members
    if isinstance(value, (list, tuple)):
        return [_tagged(member) for member in value]
    raise TypeError(f"an attribute value is of type {type(value).__name__}, which OTLP does not have")


def _untagged(value: Any) -> Any:  # from what json.loads gives to any AnyValue
    if isinstance(value, list):
        return [_untagged(member) for member in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        tag, payload = next(iter(value.items()))
        if tag == "$bytes":
            return base64.b64decode(payload)
        if tag == "$float":
            return float(payload)
        if tag == "$map":
            value = payload
    return {key: _untagged(member) for key, member in value.items()}


# json.dumps would build this anew with each call.
_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
