"""Raw attributes to canonical columns: one pass over the attributes, one table for all dialects.

The dialect is told from the keys, never from the schema URL, and one span may mix several. For every field
the source of lowest rank wins. Names and numbers stay in the attributes; content is moved out of them, and
stays there, flagged, when it cannot be read.
"""

from collections.abc import Callable
from typing import Any

from spanwise import semconv
from spanwise_collector.ingest.dialects import openinference, openllmetry, otel_genai
from spanwise_collector.ingest.flat import Flat
from spanwise_collector.ingest.placement import finish
from spanwise_collector.ingest.rules import CONTENT_FIELDS, Dialect, Reader, Unreadable
from spanwise_collector.ingest.span_events import DETAILS_EVENT
from spanwise_collector.model import AnyValue, Span

NORMALISER_VERSION = 1
"""Stored with every span; raised when the same attributes would give other columns."""

_DIALECTS: tuple[Dialect, ...] = (otel_genai.DIALECT, openllmetry.DIALECT, openinference.DIALECT)
_FLAT_READERS: dict[str, Callable[[Flat], str | None]] = {
    **openinference.FLAT_READERS,
    **openllmetry.FLAT_READERS,
}
Found = dict[str, tuple[int, Any, str]]
"""By field: rank, value as read (of the field's type, hence Any), and the key it came from."""


def _rules() -> dict[str, tuple[tuple[str, int, Reader, int], ...]]:
    table: dict[str, list[tuple[str, int, Reader, int]]] = {}
    for dialect in _DIALECTS:
        for key, field, rank, reader in dialect.rows:
            bit = 0 if key in dialect.neutral else dialect.bit
            table.setdefault(key, []).append((field, rank, reader, bit))
        for key in dialect.marks:
            table.setdefault(key, []).append(("", 0, _nothing, dialect.bit))
    return {key: tuple(rows) for key, rows in table.items()}


def _nothing(_value: AnyValue) -> None:
    return None


_RULES = _rules()
_FLAT: dict[str, tuple[str, int, int]] = {
    prefix: (field, rank, dialect.bit)
    for dialect in _DIALECTS
    for prefix, (field, rank) in dialect.flat.items()
}
_FLAT_PREFIXES = tuple(prefix + "." for prefix in _FLAT)


def is_content_key(key: str) -> bool:
    """True for attributes that may hold what people or models wrote, in any dialect."""
    return key in _CONTENT_KEYS or key.startswith(_FLAT_PREFIXES)


_CONTENT_KEYS = frozenset(
    key for key, rows in _RULES.items() for field, *_ in rows if field in CONTENT_FIELDS
) | {semconv.EXCEPTION_MESSAGE, semconv.EXCEPTION_STACKTRACE, "content", "message", "tool_calls"}


def normalise(span: Span) -> Found:
    """Fills the promoted columns of a span in place.

    Returns:
        What was found by field, the fields that are no columns included: pricing reads some of them.
    """
    found: Found = {}
    bits = _collect(span, span.attributes, found, 0)
    if span.events:
        for event in span.events:
            if event.name == DETAILS_EVENT:
                bits |= _collect(span, event.attributes, found, 5)
    for field, (_, value, _) in found.items():
        if field[0] != "_":
            setattr(span, field, value)
    _remove_content(span, found)
    finish(span, found, bits)
    span.normaliser_version = NORMALISER_VERSION
    return found


def _collect(span: Span, attributes: dict[str, AnyValue], found: Found, behind: int) -> int:
    bits = 0
    flattened: dict[str, Flat] | None = None
    for key, value in attributes.items():
        rows = _RULES.get(key)
        if rows is None:
            if key.startswith(_FLAT_PREFIXES):
                flattened = flattened or {}
                _put(flattened, key, value)
            continue
        for field, rank, reader, bit in rows:
            bits |= bit
            held = found.get(field)
            if held is not None and held[0] <= rank + behind:
                continue
            try:
                read = reader(value)
            except Unreadable:
                span.warnings.append(f"unreadable:{key}")
                continue
            if read is not None:
                found[field] = (rank + behind, read, key)
    return bits if flattened is None else bits | _collect_flat(attributes, flattened, found)


def _put(flattened: dict[str, Flat], key: str, value: AnyValue) -> None:
    for prefix in _FLAT:
        if key.startswith(prefix + "."):
            rest = key[len(prefix) + 1 :]
            # gen_ai.prompt.name is a prompt's name: only a number starts a message.
            if rest.partition(".")[0].isdecimal():
                flattened.setdefault(prefix, Flat()).put(rest, key, value)
            return


def _collect_flat(attributes: dict[str, AnyValue], flattened: dict[str, Flat], found: Found) -> int:
    bits = 0
    for prefix, root in flattened.items():
        field, rank, bit = _FLAT[prefix]
        bits |= bit
        held = found.get(field)
        if held is not None and held[0] <= rank:
            continue
        read = _FLAT_READERS[prefix](root)
        if read is not None:
            found[field] = (rank, read, "")
            for key in root.taken_keys():
                del attributes[key]
    return bits


def _remove_content(span: Span, found: Found) -> None:
    for field, (_, _, key) in found.items():
        # What _input and _output become depends on the operation: placement removes them.
        if field in CONTENT_FIELDS and key and field not in ("_input", "_output"):
            span.attributes.pop(key, None)
            for event in span.events:
                if event.name == DETAILS_EVENT:
                    event.attributes.pop(key, None)
