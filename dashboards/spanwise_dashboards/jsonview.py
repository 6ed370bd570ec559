"""JSON drawn for reading: indented, coloured by kind of token, escaped, bounded."""

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

from spanwise_dashboards.text import visible

MAX_CHARACTERS = 60_000
"""Longer JSON is cut on the page; the whole is one click away as a file."""
_INLINE = 72


def loads(document: str) -> Any:
    """Returns a JSON document's value, or the string itself when it is not JSON; ``""`` becomes ``None``."""
    if not document:
        return None
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return document


def dumps(value: object) -> str:
    """Returns indented JSON text, every character kept readable."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def markup(value: object) -> Markup:
    """Returns coloured JSON: one line when it is short, indented otherwise, cut at ``MAX_CHARACTERS``."""
    pieces: list[str] = []
    used = 0
    for css_class, token in _tokens(value, 0):
        room = MAX_CHARACTERS - used
        shown = token[:room]
        body = str(visible(shown)) if css_class == "j-s" or css_class == "j-k" else str(escape(shown))
        pieces.append(f'<span class="{css_class}">{body}</span>' if css_class else body)
        used += len(token)
        if used >= MAX_CHARACTERS:
            pieces.append('<span class="j-c"> … cut here</span>')
            break
    return Markup("".join(pieces))  # noqa: S704 - every token was escaped above


def _tokens(value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        yield from _container("{", "}", list(value.items()), depth, _fits(value))
    elif isinstance(value, list) and value:
        yield from _container("[", "]", [(None, item) for item in value], depth, _fits(value))
    elif isinstance(value, str):
        yield "j-s", json.dumps(value, ensure_ascii=False)
    else:
        kind = "j-n" if isinstance(value, int | float | bool) or value is None else ""
        yield kind, json.dumps(value, ensure_ascii=False, default=str)


def _container(
    opening: str, closing: str, items: list[tuple[Any, Any]], depth: int, is_inline: bool
) -> Iterator[tuple[str, str]]:
    if depth > 60:
        yield "j-c", f"{opening}…{closing}"
        return
    inner = "" if is_inline else "\n" + "  " * (depth + 1)
    yield "", opening + inner
    for position, (key, item) in enumerate(items):
        if position:
            yield "", ", " if is_inline else "," + inner
        if key is not None:
            yield "j-k", json.dumps(str(key), ensure_ascii=False)
            yield "", ": "
        yield from _tokens(item, depth + 1)
    yield "", ("" if is_inline else "\n" + "  " * depth) + closing


def _fits(value: dict[Any, Any] | list[Any]) -> bool:
    """True when a container is short enough to stand on one line; looks at few items only."""
    if len(value) > 12:
        return False
    items = value.items() if isinstance(value, dict) else ((("", item)) for item in value)
    used = 0
    for key, item in items:
        if isinstance(item, dict | list) and item:
            return False
        used += len(str(key)) + (len(item) if isinstance(item, str) else 8) + 6
    return used <= _INLINE
