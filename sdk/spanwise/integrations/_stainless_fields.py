"""One way to look into a client's objects: a model, or the plain dictionary it was made from.

Readers meet both: models from the usual calls, dictionaries from request bodies and raw responses. Client
models are built without validation, so a field may hold anything, or be absent; the ``as_`` functions return
None unless the value is what its name says. That also drops the clients' "not given" sentinels.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spanwise.operation import AttributeValue

_NOTHING: Mapping[str, Any] = {}
Parameters = Mapping[str, tuple[str, Callable[[Any], AttributeValue | None]]]
"""Fields of a body, each with the attribute it becomes and the function that reads its value."""
_SENTINELS = frozenset({"NotGiven", "Omit"})


def fields(value: Any) -> Mapping[str, Any]:
    """Returns what an object holds by name, extra fields included; nothing for text, numbers and None."""
    kind = type(value)
    if kind is dict:
        return value  # type: ignore[no-any-return]
    if value is None or kind is str:
        return _NOTHING
    own: Mapping[str, Any] | None = getattr(value, "__dict__", None)
    if own is None:
        return value if isinstance(value, Mapping) else _NOTHING
    extra = getattr(value, "__pydantic_extra__", None)
    return {**own, **extra} if extra else own


def parameters(body: Mapping[str, Any], known: Parameters) -> dict[str, AttributeValue]:
    """Returns the attributes of the fields that a body has: most calls set few of all there are."""
    found: dict[str, AttributeValue] = {}
    for name, sent in body.items():
        if name in known:
            key, read = known[name]
            value = read(sent)
            if value is not None:
                found[key] = value
    return found


def items(value: Any) -> Sequence[Any]:
    """Returns a list as it is, and nothing for anything else (null where the schema promises a list)."""
    return value if isinstance(value, (list, tuple)) else ()


def as_text(value: Any) -> str | None:
    """Returns a non-empty string."""
    return value if isinstance(value, str) and value else None


def as_count(value: Any) -> int | None:
    """Returns a whole number; some servers send token counts as ``12.0``."""
    if value is None or value.__class__ is int:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def as_number(value: Any) -> float | None:
    """Returns a number as a float."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def as_texts(value: Any) -> list[str] | None:
    """Returns one string or a list of strings as a list."""
    if isinstance(value, str):
        return [value]
    texts = [text for text in items(value) if isinstance(text, str)]
    return texts or None


def joined(value: Any, key: str = "text") -> str:
    """Returns the texts of a list of parts, each a string or an object with its text under ``key``."""
    if isinstance(value, str):
        return value
    texts = (part if isinstance(part, str) else fields(part).get(key) for part in items(value))
    return "".join(text for text in texts if isinstance(text, str))


def given(pairs: Iterable[tuple[str, AttributeValue | None]]) -> dict[str, AttributeValue]:
    """Returns the attributes that have a value."""
    return {key: value for key, value in pairs if value is not None}


def plain(value: Any) -> Any:
    """Returns a fresh JSON-able copy of a value a client takes or gives. Models lose their null fields."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if not is_sentinel(item)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if hasattr(value, "__pydantic_extra__") or hasattr(value, "__fields__"):
        return {key: plain(item) for key, item in fields(value).items() if item is not None}
    return str(value)


def is_sentinel(value: Any) -> bool:
    """Tells whether a value is a client's way to say "argument not given"."""
    return type(value).__name__ in _SENTINELS


def loaded(body: bytes) -> Any:
    """Returns a JSON document's value, or its text when it is not JSON."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
