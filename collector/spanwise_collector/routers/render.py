"""Model objects to the JSON API's documents. Times leave as RFC 3339 with nine digits, money as numbers."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson
from starlette.responses import Response

from spanwise_collector.model import (
    AnyValue,
    FacetValue,
    HistogramBucket,
    Score,
    SessionSummary,
    Span,
    SpanOutline,
    Totals,
    TraceSummary,
)

# A JSON document of the shape in routers.schemas: hence Any.
Document = dict[str, Any]
_NS = 1_000_000_000
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def reply(document: object, status: int = 200) -> Response:
    """Returns a JSON answer that no cache keeps: traces grow while they are looked at."""
    body = orjson.dumps(document, default=_foreign, option=_OPTIONS)
    return Response(body, status, {"Cache-Control": "no-store"}, media_type="application/json")


def timestamp(time_ns: int) -> str:
    """Returns nanoseconds since 1970 as RFC 3339 in UTC with nine digits."""
    seconds, rest = divmod(time_ns, _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"


def summary(item: TraceSummary) -> Document:
    """Renders one row of the trace list."""
    return {
        "trace_id": item.trace_id,
        "name": item.name,
        "service": item.service,
        "environment": item.environment,
        "operation": item.operation,
        "start": timestamp(item.start_ns),
        "duration_ns": item.duration_ns,
        "status": item.status,
        "error_count": item.error_count,
        "span_count": item.span_count,
        "llm_call_count": item.llm_call_count,
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        "cost_usd": _money(item.cost_usd),
        "unpriced_count": item.unpriced_count,
        "is_estimated": item.is_estimated,
        "models": item.models,
        "user_id": item.user_id,
        "conversation_id": item.conversation_id,
        "tags": item.tags,
        "root_span_id": item.root_span_id,
        "input_preview": item.input_preview,
        "output_preview": item.output_preview,
    }


def span(item: Span) -> Document:
    """Renders one span with everything that is known about it."""
    return {
        "trace_id": item.trace_id,
        "span_id": item.span_id,
        "parent_span_id": item.parent_span_id or None,
        "name": item.name,
        "kind": item.kind,
        "service": item.service,
        "service_version": item.service_version,
        "environment": item.environment,
        "dialect": item.dialect,
        "operation": item.operation,
        "provider": item.provider,
        "request_model": item.request_model,
        "response_model": item.response_model,
        "response_id": item.response_id,
        "start": timestamp(item.start_ns),
        "duration_ns": item.duration_ns,
        "time_to_first_chunk_ns": item.time_to_first_chunk_ns,
        "is_stream": item.is_stream,
        "status": item.status,
        "error_type": item.error_type,
        "status_message": item.status_message,
        **_usage(item),
        **_content(item),
        **_identity(item),
        **_raw(item),
    }


def _usage(item: Span) -> Document:
    return {
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        "cached_input_tokens": item.cached_input_tokens,
        "cache_write_input_tokens": item.cache_write_input_tokens,
        "reasoning_output_tokens": item.reasoning_output_tokens,
        "is_billable": item.is_billable,
        "cost_usd": _money(item.cost_usd),
        "reported_cost_usd": _money(item.reported_cost_usd),
        "cost_status": item.cost_status,
        "price_source": item.price_source,
        "sample_weight": item.sample_weight,
        "finish_reasons": item.finish_reasons,
    }


def _content(item: Span) -> Document:
    return {
        "input_messages": _json(item.input_messages, []),
        "output_messages": _json(item.output_messages, []),
        "tool_definitions": _json(item.tool_definitions, []),
        "documents": _json(item.documents, []),
        "tool_arguments": _json_or_text(item.tool_arguments),
        "tool_result": _json_or_text(item.tool_result),
        "input_text": item.input_text,
        "output_text": item.output_text,
    }


def _identity(item: Span) -> Document:
    return {
        "conversation_id": item.conversation_id,
        "user_id": item.user_id,
        "agent_name": item.agent_name,
        "workflow_name": item.workflow_name,
        "tool_name": item.tool_name,
        "tool_call_id": item.tool_call_id,
        "prompt_name": item.prompt_name,
        "prompt_version": item.prompt_version,
        "tags": item.tags,
    }


def _raw(item: Span) -> Document:
    return {
        "attributes": _values(item.attributes),
        "resource": _values(item.resource),
        "events": [
            {"name": event.name, "time": timestamp(event.time_ns), "attributes": _values(event.attributes)}
            for event in item.events
        ],
        "links": [
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "trace_state": link.trace_state,
                "attributes": _values(link.attributes),
            }
            for link in item.links
        ],
        "trace_state": item.trace_state,
        "flags": item.flags,
        "scope": {
            "name": item.scope_name,
            "version": item.scope_version,
            "attributes": _values(item.scope_attributes),
            "schema_url": item.scope_schema_url,
        },
        "resource_schema_url": item.resource_schema_url,
        "dropped_attributes_count": item.dropped_attributes_count,
        "dropped_events_count": item.dropped_events_count,
        "dropped_links_count": item.dropped_links_count,
        "warnings": item.warnings,
        "normaliser_version": item.normaliser_version,
        "received": timestamp(item.received_ns),
    }


def outline(trace_id: str, items: Sequence[SpanOutline]) -> Document:
    """Renders a trace's tree as columns: 20,000 spans in some 2 MB. Starts are offsets from the trace's."""
    first_ns = min((item.start_ns for item in items), default=0)
    return {
        "trace_id": trace_id,
        "start": timestamp(first_ns),
        "span_count": len(items),
        "columns": {
            "span_id": [item.span_id for item in items],
            "parent_span_id": [item.parent_span_id for item in items],
            "name": [item.name for item in items],
            "operation": [item.operation for item in items],
            "start_offset_ns": [item.start_ns - first_ns for item in items],
            "duration_ns": [item.duration_ns for item in items],
            "time_to_first_chunk_ns": [item.time_to_first_chunk_ns for item in items],
            "status": [item.status for item in items],
            "service": [item.service for item in items],
            "model": [item.model for item in items],
            "input_tokens": [item.input_tokens for item in items],
            "output_tokens": [item.output_tokens for item in items],
            "cost_usd": [_money(item.cost_usd) for item in items],
            "cost_status": [item.cost_status for item in items],
            "is_billable": [item.is_billable for item in items],
        },
    }


def score(item: Score) -> Document:
    """Renders one score."""
    return {
        "id": item.score_id,
        "trace_id": item.trace_id,
        "span_id": item.span_id or None,
        "name": item.name,
        "kind": item.kind,
        "value": item.value,
        "label": item.label,
        "comment": item.comment,
        "time": timestamp(item.time_ns),
        "source": item.source,
        "user_id": item.user_id,
        "service": item.service,
        "environment": item.environment,
        "attributes": _values(item.attributes),
        "received": timestamp(item.received_ns),
    }


def session(item: SessionSummary) -> Document:
    """Renders one conversation."""
    return {
        "conversation_id": item.conversation_id,
        "user_ids": item.user_ids,
        "start": timestamp(item.start_ns),
        "end": timestamp(item.end_ns),
        "trace_count": item.trace_count,
        "error_count": item.error_count,
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        "cost_usd": _money(item.cost_usd),
        "unpriced_count": item.unpriced_count,
        "models": item.models,
        "input_preview": item.input_preview,
        "output_preview": item.output_preview,
    }


def bucket(item: HistogramBucket) -> Document:
    """Renders one bar of a histogram."""
    return {
        "start": timestamp(item.start_ns),
        "trace_count": item.trace_count,
        "error_count": item.error_count,
    }


def totals(item: Totals) -> Document:
    """Renders the sums of a filter."""
    return {**asdict(item), "cost_usd": float(item.cost_usd)}


def facet(values: Sequence[FacetValue]) -> list[Document]:
    """Renders the values of one facet."""
    return [asdict(value) for value in values]


def _money(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _json(text: str, empty: object) -> object:
    # The normaliser stores JSON only: it goes into the answer as it is, without being parsed again.
    return orjson.Fragment(text) if text else empty


def _json_or_text(text: str) -> object:
    if not text:
        return None
    if text[0] in '{["' or text in ("true", "false", "null"):
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        return orjson.Fragment(text)
    return text


def _values(attributes: dict[str, AnyValue]) -> dict[str, AnyValue]:
    return {key: _value(value) for key, value in attributes.items()}


def _value(value: Any) -> Any:
    # Any: an OTLP value of any type. What JSON cannot say is written as text, as OTLP's JSON does.
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    return value


def _foreign(value: object) -> object:
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
