"""Reads an ``ExportLogsServiceRequest``, in protobuf or JSON, for the evaluation events in it.

Source: opentelemetry-proto 1.11.0, logs.proto; docs/specification.md, JSON Protobuf Encoding.
"""

from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.ingest.lenient import with_replacement
from spanwise_collector.ingest.otlp_attributes import AttributeReader
from spanwise_collector.ingest.otlp_json_values import (
    REPLACED,
    Json,
    as_object,
    as_text,
    attributes,
    hex_id,
    objects,
    read_document,
    unsigned,
)
from spanwise_collector.ingest.otlp_protobuf import keep_attributes_raw
from spanwise_collector.ingest.otlp_schema import LOGS, request_class
from spanwise_collector.ingest.scores import LogRecord, add_record

NOUN = "log records"


def read_protobuf(body: bytes, project_id: str) -> Batch:
    """Decodes one request in protobuf.

    Raises:
        Undecodable: The bytes are no such message.
    """
    result = Batch(noun=NOUN)
    try:
        _read_request(body, project_id, result)
    except (DecodeError, UnicodeDecodeError) as error:
        repaired = with_replacement(body, LOGS)
        if repaired is None:
            raise Undecodable(f"the body is not an ExportLogsServiceRequest in protobuf: {error}") from error
        result = Batch(noun=NOUN, notes=[REPLACED])
        try:
            _read_request(repaired, project_id, result)
        except DecodeError as again:
            raise Undecodable(f"the body is not an ExportLogsServiceRequest in protobuf: {again}") from again
    return result


@cache
def _raw_class() -> Any:
    """The request's class with every list of attributes as a list of bytes, one attribute each."""
    return request_class(keep_attributes_raw, LOGS)


def _read_request(body: bytes, project_id: str, result: Batch) -> None:
    # Protobuf's generated classes are opaque to mypy without their own stubs: hence Any.
    reader = AttributeReader()
    for resource_logs in _raw_class().FromString(body).resource_logs:
        resource = reader.read(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            name = scope_logs.scope.name
            for item in scope_logs.log_records:
                record = LogRecord(
                    item.event_name,
                    item.trace_id.hex() if len(item.trace_id) == 16 and any(item.trace_id) else "",
                    item.span_id.hex() if len(item.span_id) == 8 and any(item.span_id) else "",
                    item.time_unix_nano or item.observed_time_unix_nano,
                    reader.read(item.attributes),
                    name,
                    resource,
                )
                add_record(record, project_id, result)


def read_json(body: bytes, project_id: str) -> Batch:
    """Decodes one request in JSON.

    Raises:
        Undecodable: The text is not JSON, or lists and objects are not where OTLP has them.
    """
    result = Batch(noun=NOUN)
    document = read_document(body, result.notes)
    try:
        for resource_logs in objects(document, "resourceLogs"):
            resource = attributes(
                as_object(resource_logs.get("resource") or {}, "resource").get("attributes")
            )
            for scope_logs in objects(resource_logs, "scopeLogs"):
                scope = as_object(scope_logs.get("scope") or {}, "scope")
                for item in objects(scope_logs, "logRecords"):
                    _read_record(item, as_text(scope.get("name")), resource, project_id, result)
    except (ValueError, TypeError, AttributeError) as error:
        raise Undecodable(f"the body has not the shape of OTLP: {error}") from error
    return result


def _read_record(item: Json, scope_name: str, resource: Json, project_id: str, result: Batch) -> None:
    try:
        record = LogRecord(
            as_text(item.get("eventName")),
            hex_id(item.get("traceId"), 32),
            hex_id(item.get("spanId"), 16),
            unsigned(item, "timeUnixNano") or unsigned(item, "observedTimeUnixNano"),
            attributes(item.get("attributes")),
            scope_name,
            resource,
        )
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        result.reject(refusals.UNREADABLE, f"log record: {error}")
        return
    add_record(record, project_id, result)
