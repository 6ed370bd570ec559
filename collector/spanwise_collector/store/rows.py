"""Columns of the engine back into spans: the other half of ``columns``."""

from dataclasses import fields
from typing import Any

from spanwise_collector.model import AnyValue, Span, SpanEvent, SpanLink
from spanwise_collector.store import values
from spanwise_collector.store.promoted import restore

Column = list[Any]

# In the order of queries/read_spans.sql; what is put together from several columns follows them.
PLAIN_FIELDS = (
    "project_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "received_ns",
    "name",
    "kind",
    "status",
    "status_message",
    "trace_state",
    "flags",
    "scope_name",
    "scope_version",
    "resource_schema_url",
    "scope_schema_url",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
    "service",
    "service_version",
    "environment",
    "dialect",
    "operation",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "conversation_id",
    "user_id",
    "agent_name",
    "workflow_name",
    "tool_name",
    "tool_call_id",
    "prompt_name",
    "prompt_version",
    "tags",
    "error_type",
    "finish_reasons",
    "warnings",
    "is_stream",
    "time_to_first_chunk_ns",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "sample_weight",
    "is_billable",
    "cost_usd",
    "reported_cost_usd",
    "cost_status",
    "price_source",
    "normaliser_version",
    "input_messages",
    "output_messages",
    "tool_definitions",
    "tool_arguments",
    "tool_result",
    "documents",
    "input_text",
    "output_text",
)
_FIELD_ORDER = tuple(item.name for item in fields(Span))


def spans_from_columns(columns: list[Column]) -> list[Span]:
    """Build the spans that were inserted from the columns of ``queries/read_spans.sql``.

    Column by column, and the spans by position: half the time of a dictionary a row.
    """
    if not columns:
        return []
    found = dict(zip(PLAIN_FIELDS, columns, strict=False))
    starts, durations, promoted, *maps, resources, scopes, events, links = columns[len(PLAIN_FIELDS) :]
    found["start_ns"] = starts
    found["end_ns"] = [start + duration for start, duration in zip(starts, durations, strict=True)]
    attributes = list(map(_attributes, *maps))
    restore(promoted, found, attributes)
    found["attributes"] = attributes
    found["resource"] = _decoded_once(resources)
    found["scope_attributes"] = _decoded_once(scopes)
    found["events"] = [
        [SpanEvent(*event) for event in values.decode(text)] if text else [] for text in events
    ]
    found["links"] = [[SpanLink(*link) for link in values.decode(text)] if text else [] for text in links]
    return list(map(Span, *(found[name] for name in _FIELD_ORDER)))


def _attributes(
    strings: dict[str, str],
    integers: dict[str, int],
    floats: dict[str, float],
    booleans: dict[str, bool],
    others: dict[str, str],
) -> dict[str, AnyValue]:
    attributes: dict[str, AnyValue] = {**strings, **integers, **floats, **booleans}
    for key, text in others.items():
        attributes[key] = values.decode(text)
    return attributes


def _decoded_once(texts: Column) -> list[dict[str, AnyValue]]:
    """Decode maps of which few differ; each span gets a copy of its own."""
    known = {text: values.decode_map(text) for text in set(texts)}
    return [dict(known[text]) for text in texts]
