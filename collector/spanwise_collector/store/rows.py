"""Rows of the engine back into spans: the other half of ``columns``."""

from typing import Any

from spanwise_collector.model import Span, SpanEvent, SpanLink
from spanwise_collector.store import values


def span_from_row(row: tuple[Any, ...]) -> Span:
    """Build the span that was inserted from a row of ``queries/read_spans.sql``, whose columns are fixed."""
    plain, (start_ns, duration_ns), maps, rest = row[:-11], row[-11:-9], row[-9:-4], row[-4:]
    fields = dict(zip(PLAIN_FIELDS, plain, strict=True))
    attributes: dict[str, Any] = {**maps[0], **maps[1], **maps[2], **maps[3]}
    for key, text in maps[4].items():
        attributes[key] = values.decode(text)
    resource, scope_attributes, events, links = rest
    return Span(
        **fields,
        start_ns=start_ns,
        end_ns=start_ns + duration_ns,
        attributes=attributes,
        resource=values.decode_map(resource),
        scope_attributes=values.decode_map(scope_attributes),
        events=[SpanEvent(*event) for event in values.decode(events)] if events else [],
        links=[SpanLink(*link) for link in values.decode(links)] if links else [],
    )


# In the order of queries/read_spans.sql; a test compares the two.
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
