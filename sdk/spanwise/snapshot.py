"""Plain copies of arbitrary values: what a function was called with, as data that can become JSON.

Never calls ``repr`` or ``str`` of a foreign object, because these may run queries (a lazy database result),
print secrets or fail: an object that is not data is recorded as its type.
"""

import dataclasses
import datetime
import decimal
import enum
import logging
import math
import pathlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

logger = logging.getLogger("spanwise")

Text = Callable[[str, str], str]
"""``text(string, field)``: what is kept of a string; ``field`` is its key in a mapping, else empty."""

BINARY = "content of a blob"
"""The field of what is base64 and not text: the content of a message part of type ``blob``."""

_MAX_DEPTH = 24
_MAX_ITEMS = 10_000
_AS_TEXT = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
    pathlib.PurePath,
    BaseException,
)


def _whole(string: str, field: str) -> str:
    return string


def snapshot(value: object, text: Text = _whole) -> object:
    """Returns a fresh copy made of str, int, float, bool, None, list and dict with string keys.

    Args:
        value: Anything. Data classes, pydantic models, mappings, sequences, sets, enums, dates, paths and
            numpy scalars are read; bytes are recorded as their size, arrays and tables as their shape. Of a
            list or mapping at most 10,000 entries are kept, of nested ones at most 24 levels.
        text: Applied to every string.
    """
    return _copy(value, 0, text, "")


def _copy(value: Any, depth: int, text: Text, field: str) -> object:
    kind = value.__class__
    if kind is str:
        return text(value, field)
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if depth >= _MAX_DEPTH:
        return "..."
    if kind is dict or isinstance(value, Mapping):
        is_blob = kind is dict and value.get("type") == "blob" and "content" in value
        return (_part if is_blob else _mapping)(value, depth + 1, text)
    if kind is list or isinstance(value, list | tuple | set | frozenset):
        return _sequence(value, depth + 1, text, field)
    return _object(value, depth + 1, text, field)


def _mapping(value: Mapping[Any, Any], depth: int, text: Text) -> dict[str, object]:
    items = list(value.items())  # at once: another thread may be changing it
    copied: dict[str, object] = {}
    for key, item in items[:_MAX_ITEMS]:
        name = key if key.__class__ is str else _name(key)
        copied[name] = text(item, name) if item.__class__ is str else _copy(item, depth, text, name)
    if len(items) > _MAX_ITEMS:
        copied["..."] = f"{len(items) - _MAX_ITEMS} more entries"
    return copied


def _part(value: dict[str, Any], depth: int, text: Text) -> object:
    """Copies a message part that holds a file: what is in it is not text."""
    rest = _mapping({key: item for key, item in value.items() if key != "content"}, depth, text)
    content = value["content"]
    return rest | {
        "content": text(content, BINARY) if content.__class__ is str else _copy(content, depth, text, "")
    }


def _name(key: object) -> str:
    plain = _copy(key, _MAX_DEPTH - 1, _whole, "")
    return plain if isinstance(plain, str) else str(plain)


def _sequence(value: Any, depth: int, text: Text, field: str) -> object:
    items = list(value)
    names = getattr(value, "_fields", None)
    if names and isinstance(value, tuple) and len(names) == len(items):  # a named tuple
        return _mapping(dict(zip(names, items, strict=True)), depth, text)
    copied = [_copy(item, depth, text, field) for item in items[:_MAX_ITEMS]]
    if len(items) > _MAX_ITEMS:
        copied.append(f"... {len(items) - _MAX_ITEMS} more entries")
    return copied


def _object(value: Any, depth: int, text: Text, field: str) -> object:
    """Copies what is neither a JSON value nor a plain container."""
    if isinstance(value, enum.Enum):
        return _copy(value.value, depth, text, field)
    if isinstance(value, str):  # a subclass: only the plain value may travel
        return text(str.__str__(value), field)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _copy(float(value), depth, text, field)
    if isinstance(value, _AS_TEXT):
        return text(value.isoformat() if isinstance(value, datetime.datetime) else str(value), field)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{type(value).__name__} of {len(value)} bytes>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value) if item.repr]
        return _mapping({name: getattr(value, name, None) for name in names}, depth, text)
    try:
        return _foreign(value, depth, text, field)
    except Exception as error:  # noqa: BLE001  an object that does not let itself be looked at
        logger.debug("spanwise: a %s cannot be read: %s", type(value).__name__, type(error).__name__)
        return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _foreign(value: Any, depth: int, text: Text, field: str) -> object:
    kind = type(value)
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, Mapping) and hasattr(kind, "model_dump"):  # a pydantic model, read without its code
        shown = [name for name, item in fields.items() if getattr(item, "repr", True)]
        extra = getattr(value, "__pydantic_extra__", None) or {}
        return _mapping({**{name: value.__dict__.get(name) for name in shown}, **extra}, depth, text)
    shape = getattr(value, "shape", None) if hasattr(kind, "shape") else None
    if shape == () and hasattr(kind, "item"):  # a numpy scalar
        return _copy(value.item(), _MAX_DEPTH - 1, text, field)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(shape, tuple):
        return f"<{name} {' x '.join(str(size) for size in shape)}>"
    if isinstance(getattr(value, "__qualname__", None), str):  # a class or function
        return f"<{value.__module__}.{value.__qualname__}>"
    return f"<{name}>"
