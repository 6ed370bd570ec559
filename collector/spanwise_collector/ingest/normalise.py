"""Raw attributes to canonical columns: one pass over the attributes, one table for all dialects.

The dialect is told from the keys, never from the schema URL, and one span may mix several. For every field
the source of lowest rank wins. Names and numbers stay in the attributes; content is moved out of them, and
stays there, flagged, when it cannot be read.
"""

from collections.abc import Callable, Iterable

from spanwise import semconv
from spanwise_collector.ingest.dialects import openinference, openllmetry, otel_genai
from spanwise_collector.ingest.flat import Flat
from spanwise_collector.ingest.placement import finish
from spanwise_collector.ingest.rules import CONTENT_FIELDS, Dialect, Found, Reader, Unreadable
from spanwise_collector.ingest.span_events import DETAILS_EVENT
from spanwise_collector.model import AnyValue, Span

NORMALISER_VERSION = 1
"""Stored with every span; raised when the same attributes would give other columns."""

_DIALECTS: tuple[Dialect, ...] = (otel_genai.DIALECT, openllmetry.DIALECT, openinference.DIALECT)
_FLAT_READERS: dict[str, Callable[[Flat], str | None]] = {
    **openinference.FLAT_READERS,
    **openllmetry.FLAT_READERS,
}


Plan = tuple[int, tuple[tuple[str, tuple[tuple[int, str, Reader], ...]], ...], tuple[str, ...]]
"""What to read from a set of keys: dialect bits; for each field its sources, best first; flattened keys."""
MAX_PLANS = 2048
MAX_PLANNED_KEYS = 128
_MOVED = CONTENT_FIELDS - {"_input", "_output"}
"""What ``_input`` and ``_output`` become depends on the operation: placement removes them."""
_plans: dict[tuple[str, ...], Plan] = {}


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
    bits, fields, flat_keys = _plan_of(attributes)
    for field, sources in fields:
        held = found.get(field) if behind else None  # the span's own attributes come first: nothing is held
        for rank, key, reader in sources:
            if held is not None and held[0] <= rank + behind:
                break
            try:
                read = reader(attributes[key])
            except Unreadable:
                span.warnings.append(f"unreadable:{key}")
                continue
            if read is not None:
                found[field] = (rank + behind, read, key)
                break
    return bits | _collect_flat(attributes, flat_keys, found) if flat_keys else bits


def _plan_of(attributes: dict[str, AnyValue]) -> Plan:
    """Returns what to read from spans with these keys: an instrumentation's spans share a few sets."""
    keys = tuple(attributes)
    plan = _plans.get(keys)
    if plan is None:
        plan = _plan(keys)
        if len(keys) <= MAX_PLANNED_KEYS:
            if len(_plans) >= MAX_PLANS:
                _plans.clear()
            _plans[keys] = plan
    return plan


def _plan(keys: tuple[str, ...]) -> Plan:
    bits = 0
    flat_keys: list[str] = []
    fields: dict[str, list[tuple[int, str, Reader]]] = {}
    for key in keys:
        if key not in _RULES and key.startswith(_FLAT_PREFIXES):
            flat_keys.append(key)
        for field, rank, reader, bit in _RULES.get(key, ()):
            bits |= bit
            if field:
                fields.setdefault(field, []).append((rank, key, reader))
    ordered = ((field, tuple(sorted(rows, key=_rank))) for field, rows in fields.items())
    return bits, tuple(ordered), tuple(flat_keys)


def _rank(source: tuple[int, str, Reader]) -> int:
    return source[0]


def _put(flattened: dict[str, Flat], key: str, value: AnyValue) -> None:
    for prefix in _FLAT:
        if key.startswith(prefix + "."):
            rest = key[len(prefix) + 1 :]
            # gen_ai.prompt.name is a prompt's name: only a number starts a message.
            if rest.partition(".")[0].isdecimal():
                flattened.setdefault(prefix, Flat()).put(rest, key, value)
            return


def _collect_flat(attributes: dict[str, AnyValue], keys: Iterable[str], found: Found) -> int:
    flattened: dict[str, Flat] = {}
    for key in keys:
        _put(flattened, key, attributes[key])
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
    for field in found.keys() & _MOVED:
        key = found[field][2]
        if key:
            span.attributes.pop(key, None)
            for event in span.events:
                if event.name == DETAILS_EVENT:
                    event.attributes.pop(key, None)
