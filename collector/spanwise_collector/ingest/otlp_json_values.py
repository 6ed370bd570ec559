"""The values of OTLP's JSON, whatever the signal: attributes, ids, numbers, enumerations.

Source: opentelemetry-proto 1.11.0, docs/specification.md, JSON Protobuf Encoding.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson

from spanwise_collector.ingest.batch import Undecodable
from spanwise_collector.ingest.json_text import loads
from spanwise_collector.model import AnyValue

# What a client sends may have any shape, hence Any for every JSON value below.
Json = Any
MAX_DEPTH = 48
"""Levels of lists and maps in an attribute; protobuf's parsers stop at 100 messages, two a level."""
REPLACED = "text that is not valid Unicode was replaced by U+FFFD"


def read_document(body: bytes, notes: list[str]) -> dict[str, Json]:
    """Returns a request's document; adds to ``notes`` when its text had to be repaired.

    Raises:
        Undecodable: The text is not JSON, or no object.
    """
    try:
        document = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        document = _second_chance(body, error)
        notes.append(REPLACED)
    return as_object(document, "the body")


def _second_chance(body: bytes, error: orjson.JSONDecodeError) -> Json:
    try:
        return loads(body)
    except ValueError:
        raise Undecodable(f"the body is not JSON: {error}") from error


def attributes(items: Json) -> dict[str, AnyValue]:
    """Returns a list of ``KeyValue`` objects as a dictionary; of two with the same key the last one counts.

    Raises:
        ValueError, TypeError, AttributeError: It has not that shape.
    """
    found: dict[str, AnyValue] = {}
    for item in items or ():
        value = item.get("value")
        if value is None:
            found[as_text(item.get("key"))] = None
        else:
            text = value.get("stringValue")
            found[as_text(item.get("key"))] = text if type(text) is str else any_value(value)
    return found


def any_value(value: Json, depth: int = 0) -> AnyValue:
    """Returns the value of an ``AnyValue`` object.

    Raises:
        ValueError, TypeError, AttributeError: It has not that shape.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"an attribute value is nested deeper than {MAX_DEPTH} levels")
    for key, raw in (value or {}).items():
        if raw is None:
            continue
        if key == "arrayValue":
            return [any_value(item, depth + 1) for item in raw.get("values") or ()]
        if key == "kvlistValue":
            items = raw.get("values") or ()
            return {as_text(item.get("key")): any_value(item.get("value"), depth + 1) for item in items}
        reader = _PLAIN_READERS.get(key)
        if reader is not None:
            return reader(raw)
    return None


def _bytes(raw: Json) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"bytesValue {raw!r:.60} is not base64") from error


def _int(raw: Json) -> int | str:
    """Returns the integer; its digits when it is beyond the 64 bits of OTLP, which nothing here can hold."""
    number = int(raw)
    return number if -1 << 63 <= number < 1 << 63 else str(number)


_PLAIN_READERS: dict[str, Callable[[Json], AnyValue]] = {
    "stringValue": lambda raw: as_text(raw),
    "boolValue": bool,
    "intValue": lambda raw: _int(raw),
    "doubleValue": float,  # reads "NaN", "Infinity" and "-Infinity" too
    "bytesValue": _bytes,
}


def as_object(value: Json, what: str) -> dict[str, Json]:
    """Returns a value that must be an object.

    Raises:
        Undecodable: It is none.
    """
    if isinstance(value, dict):
        return value
    raise Undecodable(f"{what} must be a JSON object, not {type(value).__name__}")


def objects(parent: dict[str, Json], key: str) -> list[dict[str, Json]]:
    """Returns a member that must be a list of objects; absent is empty.

    Raises:
        Undecodable: It is something else.
    """
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Undecodable(f"{key} must be a list of JSON objects")
    return value


def as_text(value: Json) -> str:
    """Returns a value as text; absent is empty."""
    if value is None:
        return ""
    return value if type(value) is str else str(value)


def unsigned(item: dict[str, Json], key: str, bits: int = 64) -> int:
    """Returns a member that must be an unsigned integer, given as a number or as digits; absent is 0.

    Raises:
        ValueError, TypeError: It is none.
    """
    value = item.get(key)
    if value is None or value == "":
        return 0
    number = int(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{key}={value!r} is not an unsigned {bits}-bit integer")
    return number


def hex_id(value: Json, digits: int) -> str:
    """Returns an id in lower case; empty when it is none, or all zeros."""
    if not isinstance(value, str) or len(value) != digits or not value.strip("0"):
        return ""
    try:
        found = bytes.fromhex(value).hex()
    except ValueError:
        return ""
    return found if len(found) == digits else ""


def enumerated(value: Json, names: tuple[str, ...], spelled: dict[str, str], default: str) -> str:
    """Returns the name of an enumeration's value, given by number or spelled out."""
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else default
    return spelled.get(value, default) if isinstance(value, str) else default
