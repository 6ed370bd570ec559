"""Reading and writing JSON text: strict and fast first, forgiving when that fails.

Senders write JSON that the strict reader refuses: lone surrogates (half an emoji after a cut), ``NaN``. Such
text is repaired, never dropped; text that is no JSON at all raises.
"""

import json
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS


def loads(text: str | bytes) -> Any:
    """Returns the value of JSON text; lone surrogates become U+FFFD and ``NaN`` becomes ``None``.

    Raises:
        ValueError: The text is not JSON, or nested beyond what can be read.
    """
    return parse(text)[0]


def parse(text: str | bytes) -> tuple[Any, bool]:
    """Does what ``loads`` does, and tells whether the text could be read strictly, without any repair.

    Raises:
        ValueError: The text is not JSON, or nested beyond what can be read.
    """
    try:
        return orjson.loads(text), True
    except orjson.JSONDecodeError:
        return _forgiving(text), False


def dumps(value: object) -> str:
    """Returns compact JSON; bytes become base64, other foreign values their text."""
    try:
        return orjson.dumps(value, default=_foreign, option=_OPTIONS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate in a string, or an integer beyond 64 bits
        return whole(json.dumps(value, default=_foreign, ensure_ascii=False, separators=(",", ":")))


def whole(text: str) -> str:
    """Returns text that can be encoded: lone surrogates become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _forgiving(text: str | bytes) -> Any:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=_no_number)
        return json.loads(whole(json.dumps(value, ensure_ascii=False)))
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _no_number(_constant: str) -> None:
    return None


def _foreign(value: object) -> str:
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return str(value)
