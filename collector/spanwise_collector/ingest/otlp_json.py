"""Reads an ``ExportTraceServiceRequest`` in OTLP's JSON into the same canonical spans as the protobuf reader.

OTLP's JSON is not protobuf's: ids are hexadecimal, enumerations are numbers, 64-bit integers may be strings,
and unknown keys are ignored. ``google.protobuf.json_format`` would read an id as base64 without complaint.

Source: opentelemetry-proto 1.11.0, docs/specification.md, JSON Protobuf Encoding.
"""

from typing import Any

from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.ingest.otlp_json_values import (
    Json,
    as_object,
    as_text,
    attributes,
    enumerated,
    hex_id,
    objects,
    read_document,
    unsigned,
)
from spanwise_collector.ingest.otlp_protobuf import KINDS, STATUS_CODES
from spanwise_collector.model import AnyValue, Span, SpanEvent, SpanLink

_KIND_NAMES = {"SPAN_KIND_" + name.upper(): name for name in KINDS[1:]}
_STATUS_NAMES = {"STATUS_CODE_" + name.upper(): name for name in STATUS_CODES}


def read_traces(body: bytes, project_id: str) -> Batch:
    """Decodes one request.

    Raises:
        Undecodable: The text is not JSON, or lists and objects are not where OTLP has them.
    """
    result = Batch()
    document = read_document(body, result.notes)
    try:
        for resource_spans in objects(document, "resourceSpans"):
            holder = as_object(resource_spans.get("resource") or {}, "resource")
            resource = attributes(holder.get("attributes"))
            url = as_text(resource_spans.get("schemaUrl"))
            for scope_spans in objects(resource_spans, "scopeSpans"):
                _read_scope(scope_spans, resource, url, project_id, result)
    except (ValueError, TypeError, AttributeError) as error:
        raise Undecodable(f"the body has not the shape of OTLP: {error}") from error
    return result


def _read_scope(group: Json, resource: dict[str, AnyValue], url: str, project: str, result: Batch) -> None:
    scope = as_object(group.get("scope") or {}, "scope")
    shared = {
        "project_id": project,
        "resource": resource,
        "resource_schema_url": url,
        "scope_name": as_text(scope.get("name")),
        "scope_version": as_text(scope.get("version")),
        "scope_attributes": attributes(scope.get("attributes")),
        "scope_schema_url": as_text(group.get("schemaUrl")),
    }
    for item in objects(group, "spans"):
        trace_id, span_id = hex_id(item.get("traceId"), 32), hex_id(item.get("spanId"), 16)
        if not trace_id:
            shown = repr(item.get("traceId"))[:80]
            result.reject(refusals.INVALID_TRACE_ID, f"trace id {shown} is not 32 hex digits, not all zero")
        elif not span_id:
            shown = repr(item.get("spanId"))[:80]
            result.reject(refusals.INVALID_SPAN_ID, f"span id {shown} is not 16 hex digits, not all zero")
        else:
            try:
                result.spans.append(_read_span(item, trace_id, span_id, shared))
            except (ValueError, TypeError, OverflowError, AttributeError) as error:
                result.reject(refusals.UNREADABLE, f"span {span_id}: {error}")


def _read_span(item: Json, trace_id: str, span_id: str, shared: dict[str, Any]) -> Span:
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        name=as_text(item.get("name")),
        start_ns=unsigned(item, "startTimeUnixNano"),
        end_ns=unsigned(item, "endTimeUnixNano"),
        parent_span_id=hex_id(item.get("parentSpanId"), 16),
        trace_state=as_text(item.get("traceState")),
        flags=unsigned(item, "flags", bits=32),
        kind=enumerated(item.get("kind"), KINDS, _KIND_NAMES, "internal"),
        attributes=attributes(item.get("attributes")),
        dropped_attributes_count=unsigned(item, "droppedAttributesCount", bits=32),
        dropped_events_count=unsigned(item, "droppedEventsCount", bits=32),
        dropped_links_count=unsigned(item, "droppedLinksCount", bits=32),
        **shared,
    )
    if status := item.get("status"):
        span.status = enumerated(status.get("code"), STATUS_CODES, _STATUS_NAMES, "unset")
        span.status_message = as_text(status.get("message"))
    span.events = [
        SpanEvent(
            as_text(event.get("name")), unsigned(event, "timeUnixNano"), attributes(event.get("attributes"))
        )
        for event in objects(item, "events")
    ]
    span.links = [_link(link) for link in objects(item, "links")]
    return span


def _link(link: Json) -> SpanLink:
    return SpanLink(
        hex_id(link.get("traceId"), 32),
        hex_id(link.get("spanId"), 16),
        as_text(link.get("traceState")),
        attributes(link.get("attributes")),
    )
