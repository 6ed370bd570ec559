"""Message content on its way to Spanwise: a side table keyed by span id, and its encoding as JSON.

Content does not become an attribute of the span, because every exporter of the app would then receive it.
It waits here from the call until the span ends and travels on with the span (see ``processor``).
"""

import json
import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

logger = logging.getLogger("spanwise")

_encode_plain = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


_encode_ascii = json.JSONEncoder(
    ensure_ascii=True, separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_was_ascii = True
"""Python escapes ASCII in two thirds of the time, but writes all else as numbers, and then it has to be done
again. What the last text was, the next one mostly is too."""


class JsonText(str):
    """JSON that is ready to be sent: the text of a value, not a value that is a text."""

    __slots__ = ()


class Waiting:
    """Content that a reader made of fresh plain values, cut, scrubbed and encoded when it is first looked at.

    Whoever wants to see it has to go through ``to_text`` or ``decoded``, and so gets it scrubbed: nothing
    else can come out of here. In the call it costs no more than this object; the export thread, which does
    the same for many calls in a row, needs half the time for it.
    """

    __slots__ = ("_settle", "value")

    def __init__(self, value: Any, settle: Callable[[Any], object]) -> None:
        self.value = value
        self._settle = settle

    def settled(self) -> object:
        """Returns the content as it may be seen: a ``JsonText``, or JSON-able values."""
        return self._settle(self.value)


def encoded(value: object) -> JsonText:
    """Returns a value made of plain JSON types as JSON.

    Raises:
        TypeError, ValueError, RecursionError: the value holds something that JSON has no word for.
    """
    global _was_ascii
    if _was_ascii:
        found = _encode_ascii(value)
        if "\\u" not in found:
            return JsonText(found)
    found = _encode_plain(value)
    _was_ascii = found.isascii()
    return JsonText(found)


def decoded(value: object) -> object:
    """Returns the value of a ``JsonText`` or of ``Waiting``, and anything else unchanged."""
    if isinstance(value, Waiting):
        value = value.settled()
    return json.loads(value) if isinstance(value, JsonText) else value


Content = Mapping[str, object]
"""Content attributes by their final key; the values are JSON-able."""

_NODE_BYTES = 72
"""What an entry of a dict or a list costs beside its string, in bytes; measured on CPython 3.11."""
_CONTAINER_BYTES = 200
_MAX_DEPTH = 64
_MAX_CONTAINERS = 20_000
"""Looked at to tell a size: what is circular has no end."""

_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False, default=str
).encode
"""A circular value ends in a RecursionError, as one that is nested too deeply does."""


class ContentTable:
    """The content of spans that have not ended yet, bounded in bytes.

    Args:
        max_bytes: Estimated memory that content may take; what does not fit is dropped and counted.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: dict[int, tuple[Content, int]] = {}
        # Reentrant: a span may end in a finalizer that the garbage collector runs inside this very code.
        self._lock = threading.RLock()
        self._bytes = 0
        self.dropped = 0
        """Pieces of content that did not fit."""

    def put(self, span_id: int, content: Content) -> None:
        """Adds content to a span that is still open; a key that is already there is replaced."""
        size = size_of(content)
        with self._lock:
            if self._bytes + size > self._max_bytes:
                self.dropped += 1
                return
            self._bytes += size
            earlier = self._entries.get(span_id)
            if earlier is None:
                self._entries[span_id] = (content, size)
            else:
                self._entries[span_id] = ({**earlier[0], **content}, earlier[1] + size)

    def pop(self, span_id: int) -> tuple[Content | None, int]:
        """Removes and returns the content of a span that ended, with its estimated size in bytes."""
        with self._lock:
            entry = self._entries.pop(span_id, None)
            if entry is None:
                return None, 0
            self._bytes -= entry[1]
            return entry

    def clear(self) -> None:
        """Forgets everything, and the lock too: the process was forked."""
        self._lock = threading.RLock()
        self._entries = {}
        self._bytes = 0


def size_of(value: object) -> int:
    """Returns about how many bytes of memory a JSON-able value holds. Called in the app's call."""
    total = 0
    waiting: list[Any] = [value]
    count = 0
    while waiting and count < _MAX_CONTAINERS:  # a loop: a call for each container would double the time
        count += 1
        found = waiting.pop()
        kind = found.__class__
        if kind is dict or isinstance(found, Mapping):
            items: Iterable[Any] = found.values()
        elif kind is list or isinstance(found, (list, tuple)):
            items = found
        elif kind is Waiting:
            waiting.append(found.value)
            continue
        else:
            total += _NODE_BYTES + (len(found) if isinstance(found, str) else 0)
            continue
        total += _CONTAINER_BYTES
        for item in items:
            kind = item.__class__
            if kind is str:
                total += _NODE_BYTES + len(item)
            elif kind is int or kind is float or item is None or kind is bool:
                total += _NODE_BYTES
            else:
                waiting.append(item)
    return total


def to_text(value: object) -> str:
    """Returns a content value as it is exported: a string as it is, anything else as JSON.

    NaN and infinities become null, since JSON has no word for them; what JSON cannot express at all becomes
    its ``str``.
    """
    if isinstance(value, Waiting):
        value = value.settled()
    if isinstance(value, str):
        return str.__str__(value)  # the plain type, which is encoded fastest
    try:
        return _encode(value)
    except (ValueError, RecursionError, TypeError):
        return _encode(_plain(value, 0))


def _plain(value: object, depth: int) -> object:
    """Copies a value into plain JSON types; what is deeper than 64 levels, or circular, becomes ``"..."``."""
    if depth > _MAX_DEPTH:
        return "..."
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return str(value)
