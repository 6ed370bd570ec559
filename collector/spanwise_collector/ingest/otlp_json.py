"""Reads an ``ExportTraceServiceRequest`` in OTLP's JSON into the same canonical spans as the protobuf reader.

OTLP's JSON is not protobuf's: ids are hexadecimal, enumerations are numbers, 64-bit integers may be strings,
and unknown keys are ignored. ``google.protobuf.json_format`` would read an id as base64 without complaint.

Source: opentelemetry-proto 1.11.0, docs/specification.md, JSON Protobuf Encoding.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson

from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.ingest.json_text import loads
from spanwise_collector.ingest.otlp_protobuf import KINDS, STATUS_CODES
from spanwise_collector.model import AnyValue, Span, SpanEvent, SpanLink

# What a client sends may have any shape, hence Any for every JSON value below.
Json = Any
MAX_DEPTH = 48
"""Levels of lists and maps in an attribute; protobuf's parsers stop at 100 messages, two a level."""
_KIND_NAMES = {"SPAN_KIND_" + name.upper(): name for name in KINDS[1:]}
_STATUS_NAMES = {"STATUS_CODE_" + name.upper(): name for name in STATUS_CODES}


def read_traces(body: bytes, project_id: str) -> Batch:
    """Decodes one request.

    Raises:
        Undecodable: The text is not JSON, or lists and objects are not where OTLP has them.
    """
    result = Batch()
    try:
        document = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        document = _second_chance(body, error)
        result.notes.append("text that is not valid Unicode was replaced by U+FFFD")
    try:
        for resource_spans in _objects(_object(document, "the body"), "resourceSpans"):
            holder = _object(resource_spans.get("resource") or {}, "resource")
            resource = _attributes(holder.get("attributes"))
            url = _text(resource_spans.get("schemaUrl"))
            for scope_spans in _objects(resource_spans, "scopeSpans"):
                _read_scope(scope_spans, resource, url, project_id, result)
    except (ValueError, TypeError, AttributeError) as error:
        raise Undecodable(f"the body has not the shape of OTLP: {error}") from error
    return result


def _second_chance(body: bytes, error: orjson.JSONDecodeError) -> Json:
    try:
        return loads(body)
    except ValueError:
        raise Undecodable(f"the body is not JSON: {error}") from error


def _read_scope(group: Json, resource: dict[str, AnyValue], url: str, project: str, result: Batch) -> None:
    scope = _object(group.get("scope") or {}, "scope")
    shared = {
        "project_id": project,
        "resource": resource,
        "resource_schema_url": url,
        "scope_name": _text(scope.get("name")),
        "scope_version": _text(scope.get("version")),
        "scope_attributes": _attributes(scope.get("attributes")),
        "scope_schema_url": _text(group.get("schemaUrl")),
    }
    for item in _objects(group, "spans"):
        trace_id, span_id = _hex(item.get("traceId"), 32), _hex(item.get("spanId"), 16)
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
        name=_text(item.get("name")),
        start_ns=_unsigned(item, "startTimeUnixNano"),
        end_ns=_unsigned(item, "endTimeUnixNano"),
        parent_span_id=_hex(item.get("parentSpanId"), 16),
        trace_state=_text(item.get("traceState")),
        flags=_unsigned(item, "flags", bits=32),
        kind=_enumerated(item.get("kind"), KINDS, _KIND_NAMES, "internal"),
        attributes=_attributes(item.get("attributes")),
        dropped_attributes_count=_unsigned(item, "droppedAttributesCount", bits=32),
        dropped_events_count=_unsigned(item, "droppedEventsCount", bits=32),
        dropped_links_count=_unsigned(item, "droppedLinksCount", bits=32),
        **shared,
    )
    if status := item.get("status"):
        span.status = _enumerated(status.get("code"), STATUS_CODES, _STATUS_NAMES, "unset")
        span.status_message = _text(status.get("message"))
    span.events = [
        SpanEvent(
            _text(event.get("name")), _unsigned(event, "timeUnixNano"), _attributes(event.get("attributes"))
        )
        for event in _objects(item, "events")
    ]
    span.links = [_link(link) for link in _objects(item, "links")]
    return span


def _link(link: Json) -> SpanLink:
    return SpanLink(
        _hex(link.get("traceId"), 32),
        _hex(link.get("spanId"), 16),
        _text(link.get("traceState")),
        _attributes(link.get("attributes")),
    )


def _attributes(items: Json) -> dict[str, AnyValue]:
    found: dict[str, AnyValue] = {}
    for item in items or ():
        value = item.get("value")
        if value is None:
            found[_text(item.get("key"))] = None
        else:
            text = value.get("stringValue")
            found[_text(item.get("key"))] = text if type(text) is str else _any_value(value)
    return found


def _any_value(value: Json, depth: int = 0) -> AnyValue:
    if depth > MAX_DEPTH:
        raise ValueError(f"an attribute value is nested deeper than {MAX_DEPTH} levels")
    for key, raw in (value or {}).items():
        if raw is None:
            continue
        if key == "arrayValue":
            return [_any_value(item, depth + 1) for item in raw.get("values") or ()]
        if key == "kvlistValue":
            items = raw.get("values") or ()
            return {_text(item.get("key")): _any_value(item.get("value"), depth + 1) for item in items}
        reader = _PLAIN_READERS.get(key)
        if reader is not None:
            return reader(raw)
    return None


def _bytes(raw: Json) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"bytesValue {raw!r:.60} is not base64") from error


def _int(raw: Json) -> int | str:
    """Returns the integer; its digits when it is beyond the 64 bits of OTLP, which nothing here can hold."""
    number = int(raw)
    return number if -1 << 63 <= number < 1 << 63 else str(number)


_PLAIN_READERS: dict[str, Callable[[Json], AnyValue]] = {
    "stringValue": lambda raw: _text(raw),
    "boolValue": bool,
    "intValue": lambda raw: _int(raw),
    "doubleValue": float,  # reads "NaN", "Infinity" and "-Infinity" too
    "bytesValue": _bytes,
}


def _object(value: Json, what: str) -> dict[str, Json]:
    if isinstance(value, dict):
        return value
    raise Undecodable(f"{what} must be a JSON object, not {type(value).__name__}")


def _objects(parent: dict[str, Json], key: str) -> list[dict[str, Json]]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Undecodable(f"{key} must be a list of JSON objects")
    return value


def _text(value: Json) -> str:
    if value is None:
        return ""
    return value if type(value) is str else str(value)


def _unsigned(item: dict[str, Json], key: str, bits: int = 64) -> int:
    value = item.get(key)
    if value is None or value == "":
        return 0
    number = int(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{key}={value!r} is not an unsigned {bits}-bit integer")
    return number


def _hex(value: Json, digits: int) -> str:
    if not isinstance(value, str) or len(value) != digits or not value.strip("0"):
        return ""
    try:
        found = bytes.fromhex(value).hex()
    except ValueError:
        return ""
    return found if len(found) == digits else ""


def _enumerated(value: Json, names: tuple[str, ...], spelled: dict[str, str], default: str) -> str:
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else default
    return spelled.get(value, default) if isinstance(value, str) else default
