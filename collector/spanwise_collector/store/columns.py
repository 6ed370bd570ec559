"""Spans as Arrow columns, the shape the engine inserts with the least work.

The walk over Python objects costs most of an insert, so that fields are read once a span and turned into
columns together; what is the same in every row (most strings of a batch) becomes a dictionary of one entry.
"""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pyarrow as pa

from spanwise_collector.model import Span, SpanEvent, SpanLink
from spanwise_collector.store import values
from spanwise_collector.store.attributes import attribute_columns
from spanwise_collector.store.failures import PoisonError

_MONEY_QUANTUM = Decimal("1e-12")
_MONEY = pa.decimal128(18, 12)
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_TEXTS = pa.list_(pa.string())

Build = Callable[[Sequence[Any]], pa.Array]


def version_of(ended: bool, normaliser_version: int, received_ns: int) -> int:
    """Pack what decides between two versions of a span: an ended one, then a better normalised, then a later.

    Bit 63 is ``ended``, bits 51 to 62 the normaliser's version, bits 0 to 50 the time in units of 2048 ns,
    which last until 2116.
    """
    return (
        (int(ended) << 63) | (min(normaliser_version, 4095) << 51) | ((received_ns >> 11) & ((1 << 51) - 1))
    )


def _repeated(column: Sequence[Any]) -> pa.Array:
    """Few different strings: a dictionary, which the engine takes as LowCardinality without hashing rows."""
    if column.count(column[0]) == len(column):
        return pa.DictionaryArray.from_arrays(pa.array(bytes(len(column)), pa.int8()), pa.array([column[0]]))
    return pa.array(column, pa.string()).dictionary_encode()


def _text(column: Sequence[Any]) -> pa.Array:
    return pa.array(column, pa.string())


def _texts(column: Sequence[Any]) -> pa.Array:
    return pa.array(column, _TEXTS)


def _of(kind: pa.DataType) -> Build:
    return lambda column: pa.array(column, kind)


def _money(column: Sequence[Any]) -> pa.Array:
    return pa.array([None if cost is None else cost.quantize(_MONEY_QUANTUM) for cost in column], _MONEY)


def _ids(size: int) -> Build:
    """Build binary ids from hex; ``""`` is all zeros."""
    digits, none = size * 2, "0" * size * 2

    def build(column: Sequence[Any]) -> pa.Array:
        padded = [text or none for text in column]
        if any(len(text) != digits for text in padded):
            wrong = next(text for text in padded if len(text) != digits)
            raise ValueError(f"id {wrong!r} has {len(wrong)} digits, not {digits}")
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(size), len(padded), [None, pa.py_buffer(bytes.fromhex("".join(padded)))]
        )

    return build


def _cached(encode: Callable[[Any], str]) -> Build:
    """Encode each object once: the spans of a request share their resource and scope."""

    def build(column: Sequence[Any]) -> pa.Array:
        known: dict[int, str] = {}
        for item in column:
            if id(item) not in known:
                known[id(item)] = encode(item)
        return _repeated([known[id(item)] for item in column])

    return build


def _encode_events(events: list[SpanEvent]) -> str:
    if not events:
        return ""
    return values.encode([[event.name, event.time_ns, dict(event.attributes)] for event in events])


def _encode_links(links: list[SpanLink]) -> str:
    if not links:
        return ""
    return values.encode(
        [[link.trace_id, link.span_id, link.trace_state, dict(link.attributes)] for link in links]
    )


_INT64, _UINT32 = _of(pa.int64()), _of(pa.uint32())
_FIELDS: dict[str, Build] = {
    "project_id": _repeated,
    "trace_id": _ids(16),
    "span_id": _ids(8),
    "parent_span_id": _ids(8),
    "name": _repeated,
    "kind": _repeated,
    "status": _repeated,
    "status_message": _text,
    "trace_state": _text,
    "flags": _UINT32,
    "scope_name": _repeated,
    "scope_version": _repeated,
    "resource_schema_url": _repeated,
    "scope_schema_url": _repeated,
    "dropped_attributes_count": _UINT32,
    "dropped_events_count": _UINT32,
    "dropped_links_count": _UINT32,
    "service": _repeated,
    "service_version": _repeated,
    "environment": _repeated,
    "dialect": _repeated,
    "operation": _repeated,
    "provider": _repeated,
    "request_model": _repeated,
    "response_model": _repeated,
    "response_id": _text,
    "conversation_id": _text,
    "user_id": _text,
    "agent_name": _repeated,
    "workflow_name": _repeated,
    "tool_name": _repeated,
    "tool_call_id": _text,
    "prompt_name": _repeated,
    "prompt_version": _repeated,
    "tags": _texts,
    "error_type": _repeated,
    "finish_reasons": _texts,
    "warnings": _texts,
    "is_stream": _of(pa.bool_()),
    "time_to_first_chunk_ns": _INT64,
    "input_tokens": _INT64,
    "output_tokens": _INT64,
    "cached_input_tokens": _INT64,
    "cache_write_input_tokens": _INT64,
    "reasoning_output_tokens": _INT64,
    "sample_weight": _of(pa.float64()),
    "is_billable": _of(pa.bool_()),
    "cost_usd": _money,
    "reported_cost_usd": _money,
    "cost_status": _repeated,
    "price_source": _repeated,
    "normaliser_version": _of(pa.uint16()),
    "input_messages": _text,
    "output_messages": _text,
    "tool_definitions": _text,
    "tool_arguments": _text,
    "tool_result": _text,
    "documents": _text,
    "input_text": _text,
    "output_text": _text,
    "resource": _cached(values.encode_map),
    "scope_attributes": _cached(values.encode_map),
    "events": lambda column: _text([_encode_events(events) for events in column]),
    "links": lambda column: _text([_encode_links(links) for links in column]),
}
_EMPTY: dict[str, Any] = {
    **{name: "" for name, build in _FIELDS.items() if build in (_repeated, _text)},
    **{name: [] for name, build in _FIELDS.items() if build is _texts or name in ("events", "links")},
    **{name: None for name in ("cost_usd", "reported_cost_usd")},
    **{name: None for name, build in _FIELDS.items() if build is _INT64},
    **{name: 0 for name, build in _FIELDS.items() if build is _UINT32},
}
"""What the engine has for a column that is left out of an insert, as a span holds it."""
_read_fields = attrgetter(*_FIELDS)


def arrow_table(spans: Sequence[Span]) -> pa.Table:
    """Turn spans into the columns of the table ``spans``.

    Raises:
        PoisonError: A value fits no column: an id of the wrong length, a number out of range, broken text.
    """
    columns: dict[str, pa.Array] = {}
    fields = list(zip(*map(_read_fields, spans), strict=True))
    for (name, build), column in zip(_FIELDS.items(), fields, strict=True):
        # Half of the columns are empty in most batches: the engine fills in its default, which is the same.
        if name not in _EMPTY or column.count(_EMPTY[name]) != len(column):
            columns[name] = _built(name, build, column)
    columns |= _built("start_ns", _times, spans)
    columns |= _built("attributes", attribute_columns, spans)
    return pa.table(columns)


def _built(name: str, build: Callable[[Any], Any], source: Any) -> Any:  # arrays, or several by name
    try:
        return build(source)
    except (
        ValueError,
        TypeError,
        OverflowError,
        ArithmeticError,
        AttributeError,
        pa.ArrowException,
    ) as error:
        raise PoisonError(
            f"a span's {name} cannot be stored: {' '.join(str(error).split())[:300]}",
            fix="correct that value and send the span again",
        ) from error


def _times(spans: Sequence[Span]) -> dict[str, pa.Array]:
    now = time.time_ns()
    return {
        "start": pa.array([span.start_ns for span in spans], pa.int64()).view(_NANOSECONDS),
        "duration_ns": pa.array([span.end_ns - span.start_ns for span in spans], pa.int64()),
        "received": pa.array([span.received_ns for span in spans], pa.int64()).view(_NANOSECONDS),
        "version": pa.array(
            [version_of(span.end_ns > 0, span.normaliser_version, span.received_ns or now) for span in spans],
            pa.uint64(),
        ),
    }
