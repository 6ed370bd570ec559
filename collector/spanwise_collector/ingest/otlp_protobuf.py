"""Reads an ``ExportTraceServiceRequest`` in protobuf into canonical spans with raw attributes.

Work that is the same for all spans of a resource or scope is done once; their dictionaries are shared and
must not be changed. Normalisation happens later.

Source: opentelemetry-proto 1.11.0, trace.proto and common.proto.
"""

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import DecodeError

from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.ingest.lenient import with_replacement
from spanwise_collector.ingest.otlp_attributes import AttributeReader
from spanwise_collector.ingest.otlp_schema import request_class
from spanwise_collector.model import AnyValue, Span, SpanEvent, SpanLink

KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
"""By OTLP number; 0 (unspecified) is internal, as the standard says."""
STATUS_CODES = ("unset", "ok", "error")
_ZERO_TRACE = bytes(16)
_ZERO_SPAN = bytes(8)


def read_traces(body: bytes, project_id: str) -> Batch:
    """Decodes one request.

    Raises:
        Undecodable: The bytes are no such message.
    """
    try:
        return _read(body, project_id)
    except (DecodeError, UnicodeDecodeError) as error:
        # proto3 parsers refuse a message for one invalid UTF-8 string; its other spans deserve better.
        repaired = with_replacement(body)
        if repaired is None:
            raise Undecodable(f"the body is not an ExportTraceServiceRequest in protobuf: {error}") from error
    try:
        result = _read(repaired, project_id)
    except DecodeError as error:
        raise Undecodable(f"the body is not an ExportTraceServiceRequest in protobuf: {error}") from error
    result.notes.append("text that is not valid Unicode was replaced by U+FFFD")
    return result


@cache
def _raw_class() -> Any:
    """The request's class with every list of attributes as a list of bytes, one attribute each."""
    return request_class(keep_attributes_raw)


def keep_attributes_raw(item: FieldDescriptorProto) -> None:
    """Makes a field of attributes one of plain bytes, for ``otlp_schema.request_class``."""
    if item.type_name == ".opentelemetry.proto.common.v1.KeyValue":
        item.type = FieldDescriptorProto.TYPE_BYTES
        item.ClearField("type_name")


def _read(body: bytes, project_id: str) -> Batch:
    result = Batch()
    attributes = AttributeReader()
    for resource_spans in _raw_class().FromString(body).resource_spans:
        resource = attributes.read(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            _read_scope(scope_spans, resource, resource_spans.schema_url, project_id, attributes, result)
    return result


def _read_scope(
    group: Any,
    resource: dict[str, AnyValue],
    url: str,
    project: str,
    attributes: AttributeReader,
    result: Batch,
) -> None:
    # Protobuf's generated classes are opaque to mypy without their own stubs: hence Any.
    scope = group.scope
    name, version, schema_url = scope.name, scope.version, group.schema_url
    scope_attributes = attributes.read(scope.attributes)
    append = result.spans.append
    for item in group.spans:
        trace_id, span_id = item.trace_id, item.span_id
        if len(trace_id) != 16 or trace_id == _ZERO_TRACE:
            result.reject(
                refusals.INVALID_TRACE_ID, f"trace id {trace_id.hex()!r} is not 16 bytes, not all zero"
            )
            continue
        if len(span_id) != 8 or span_id == _ZERO_SPAN:
            result.reject(refusals.INVALID_SPAN_ID, f"span id {span_id.hex()!r} is not 8 bytes, not all zero")
            continue
        parent = item.parent_span_id
        span = Span(
            project_id=project,
            trace_id=trace_id.hex(),
            span_id=span_id.hex(),
            name=item.name,
            start_ns=item.start_time_unix_nano,
            end_ns=item.end_time_unix_nano,
            parent_span_id=parent.hex() if len(parent) == 8 and parent != _ZERO_SPAN else "",
            trace_state=item.trace_state,
            flags=item.flags,
            scope_name=name,
            scope_version=version,
            attributes=attributes.read(item.attributes),
            resource=resource,
            scope_attributes=scope_attributes,
            resource_schema_url=url,
            scope_schema_url=schema_url,
        )
        _read_rest(span, item, attributes)
        append(span)


def _read_rest(span: Span, item: Any, attributes: AttributeReader) -> None:
    kind = item.kind
    if 1 < kind < 6:
        span.kind = KINDS[kind]
    if item.HasField("status"):
        status = item.status
        code = status.code
        if 0 < code < 3:
            span.status = STATUS_CODES[code]
        span.status_message = status.message
    if item.events:
        span.events = [
            SpanEvent(event.name, event.time_unix_nano, attributes.read(event.attributes))
            for event in item.events
        ]
    if item.links:
        span.links = [
            SpanLink(
                link.trace_id.hex(), link.span_id.hex(), link.trace_state, attributes.read(link.attributes)
            )
            for link in item.links
        ]
    span.dropped_attributes_count = item.dropped_attributes_count
    span.dropped_events_count = item.dropped_events_count
    span.dropped_links_count = item.dropped_links_count
