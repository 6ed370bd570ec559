"""``capture="hash"``: content as digests, so that equal texts can be counted and none can be read.

A text becomes ``[sha256:<digits> <length> chars]``. What says how a message is built stays: roles, types of
parts, names and ids of tool calls, finish reasons, ids and scores of documents. Everything else is a digest,
arguments and results of tools each as a whole. Without a key, who guesses a text can check the guess: short
texts need one (``hash_key``), which turns the digest into an HMAC.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping

from spanwise import semconv
from spanwise.config import CaptureMode, Config
from spanwise.content import Waiting, decoded

DIGITS = 16
"""Hexadecimal digits of a digest, at least: 64 bits, of which a million different texts share none."""
_MAX_NAME = 128
_PART = frozenset({"type", "id", "modality", "mime_type", "role", "finish_reason"})
_NAMED = frozenset({"tool_call", "tool_call_response", "server_tool_call", "function"})
"""Types of what has a name that the app's code gave it."""
_DOCUMENT = frozenset({"id", "score"})
_SHAPES: dict[str, frozenset[str]] = {
    semconv.INPUT_MESSAGES: _PART,
    semconv.OUTPUT_MESSAGES: _PART,
    semconv.SYSTEM_INSTRUCTIONS: _PART,
    semconv.TOOL_DEFINITIONS: frozenset({"type", "name"}),
    semconv.RETRIEVAL_DOCUMENTS: _DOCUMENT,
}
"""Content that is built of parts, with the fields of these that stay; any other is one digest."""
_DROPPED = frozenset({semconv.EMBEDDINGS_VECTORS})
"""A text can be guessed from its vector, and vectors cannot be counted."""

Content = Mapping[str, object]


class Hasher:
    """Replaces content by digests.

    Args:
        key: Makes digests that only its owner can check; empty for plain SHA-256.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()
        self._name = "hmac" if key else "sha256"

    def waiting(self, content: Content) -> dict[str, object]:
        """Returns content by its keys as it may be seen; the work is done when it is first looked at."""
        kept = ((key, value) for key, value in content.items() if key not in _DROPPED)
        return {key: Waiting(value, self._settling(key)) for key, value in kept}

    def hashed(self, key: str, value: object) -> object:
        """Returns the content of one attribute as digests."""
        value = decoded(value)
        kept = _SHAPES.get(key)
        if kept is None or not isinstance(value, list):
            return self.digest(value)
        return [self._part(item, kept) for item in value]

    def digest(self, value: object) -> str:
        """Returns the digest of a text, or of any other value's JSON with sorted keys."""
        if value is None or value == "":
            return ""
        text = value if isinstance(value, str) else _canonical(value)
        raw = text.encode("utf-8", "surrogatepass")
        if self._key:
            found = hmac.new(self._key, raw, hashlib.sha256).hexdigest()
        else:
            found = hashlib.sha256(raw).hexdigest()
        end = DIGITS
        while found[:end].isdecimal() and end < len(found):
            end += 4  # digits alone look like the number of a card, and would be scrubbed
        return f"[{self._name}:{found[:end]} {len(text)} chars]"

    def _settling(self, key: str) -> Callable[[object], object]:
        return lambda value: self.hashed(key, value)

    def _part(self, item: object, kept: frozenset[str]) -> object:
        if not isinstance(item, dict):
            return self.digest(item)
        names = kept | {"name"} if item.get("type") in _NAMED else kept
        return {field: self._field(field, value, names) for field, value in item.items()}

    def _field(self, field: str, value: object, kept: frozenset[str]) -> object:
        if value is None:
            return None
        if field == "parts" and isinstance(value, list):
            return [self._part(part, kept) for part in value]
        if field == "function" and isinstance(value, dict):
            return self._part(value, kept | {"name"})
        is_name = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _MAX_NAME)
        return value if field in kept and is_name else self.digest(value)


def hasher_of(config: Config) -> Hasher | None:
    """Returns what hashes a set-up's content, if it is to be hashed."""
    return Hasher(config.hash_key or "") if config.capture is CaptureMode.HASH else None


def _canonical(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    except (ValueError, RecursionError, TypeError):
        return f"<{type(value).__name__}>"
