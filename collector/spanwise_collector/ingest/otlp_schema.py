"""Variants of OTLP's protobuf classes: the same bytes on the wire, with some fields read differently.

A message on the wire does not say whether a length-delimited field is text, a nested message or plain bytes:
the schema does. A copy of the schema with other types therefore reads the same requests another way.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

TRACES = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
LOGS = "opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest"
_FILES = {TRACES: trace_service_pb2.DESCRIPTOR, LOGS: logs_service_pb2.DESCRIPTOR}
Change = Callable[[descriptor_pb2.FieldDescriptorProto], None]


def request_class(change: Change, request: str = TRACES) -> Any:
    """Returns a class like that of a request (``TRACES``, ``LOGS``) after ``change`` saw each field.

    The class is made at run time and opaque to type checkers: hence Any.
    """
    pool = descriptor_pool.DescriptorPool()
    _add(_FILES[request], pool, set(), change)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(request))


def _add(file: Any, pool: descriptor_pool.DescriptorPool, seen: set[str], change: Change) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, pool, seen, change)
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _change(message, change)
    pool.Add(proto)


def _change(message: descriptor_pb2.DescriptorProto, change: Change) -> None:
    for item in message.field:
        change(item)
    for nested in message.nested_type:
        _change(nested, change)
