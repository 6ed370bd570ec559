"""Plain copies of arbitrary values: what a function was called with, as data that can become JSON.

Never calls ``repr`` or ``str`` of a foreign object, because these may run queries (a lazy database result),
print secrets or fail: an object that is not data is recorded as its type.
"""

import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

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


def snapshot(value: object) -> object:
    """Returns a fresh copy made of str, int, float, bool, None, list and dict with string keys.

    Args:
        value: Anything. Data classes, pydantic models, mappings, sequences, sets, enums, dates, paths and
            numpy scalars are read; bytes are recorded as their size, arrays and tables as their shape. Of a
            list or mapping at most 10,000 entries are kept, of nested ones at most 24 levels.
    """
    return _copy(value, 0)


def text_lengths(plain: object) -> list[int]:
    """Returns the length in characters of every string of a snapshot; keys are not counted."""
    lengths: list[int] = []
    waiting = [plain]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            lengths.append(len(value))
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return lengths


def _copy(value: Any, depth: int) -> object:
    kind = value.__class__
    if kind is str or value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _sequence(value, depth)
    return _object(value, depth)


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, object]:
    copied: dict[str, object] = {}
    for key, item in list(value.items())[:_MAX_ITEMS]:
        copied[key if key.__class__ is str else _key(key)] = _copy(item, depth + 1)
    if len(value) > _MAX_ITEMS:
        copied["..."] = f"{len(value) - _MAX_ITEMS} more entries"
    return copied


def _key(key: object) -> str:
    plain = _copy(key, _MAX_DEPTH - 1)
    return plain if isinstance(plain, str) else str(plain)


def _sequence(value: Any, depth: int) -> object:
    items = list(value)
    fields = getattr(value, "_fields", None)
    if fields and isinstance(value, tuple) and len(fields) == len(items):
        return {name: _copy(item, depth + 1) for name, item in zip(fields, items, strict=True)}
    copied = [_copy(item, depth + 1) for item in items[:_MAX_ITEMS]]
    if len(items) > _MAX_ITEMS:
        copied.append(f"... {len(items) - _MAX_ITEMS} more entries")
    return copied


def _object(value: Any, depth: int) -> object:
    """Copies what is neither a JSON value nor a plain container."""
    if isinstance(value, enum.Enum):
        return _copy(value.value, depth + 1)
    if isinstance(value, str | int):  # subclasses: only the plain value may travel
        return str.__str__(value) if isinstance(value, str) else int(value)
    if isinstance(value, float):
        return _copy(float(value), depth)
    if isinstance(value, _AS_TEXT):
        return str(value) if not isinstance(value, datetime.datetime) else value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{type(value).__name__} of {len(value)} bytes>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
        return {name: _copy(getattr(value, name, None), depth + 1) for name in names}
    return _foreign(value, depth)


def _foreign(value: Any, depth: int) -> object:
    kind = type(value)
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, Mapping) and hasattr(kind, "model_dump"):  # a pydantic model, read without its code
        shown = [name for name, field in fields.items() if getattr(field, "repr", True)]
        read = {name: _copy(value.__dict__.get(name), depth + 1) for name in shown}
        extra = getattr(value, "__pydantic_extra__", None) or {}
        return read | {str(name): _copy(item, depth + 1) for name, item in extra.items()}
    shape = getattr(kind, "shape", None) is not None and getattr(value, "shape", None)
    if shape == () and hasattr(kind, "item"):  # a numpy scalar
        return _copy(value.item(), _MAX_DEPTH - 1)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(shape, tuple):
        return f"<{name} {' x '.join(str(size) for size in shape)}>"
    if isinstance(value, type) or callable(value):
        return f"<{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', name)}>"
    return f"<{name}>"
