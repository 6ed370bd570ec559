"""Reads OTLP protobuf whose strings are not valid UTF-8, replacing the bad bytes.

The generated classes refuse such a message whole. This module makes a second copy of the schema in which
every ``string`` is ``bytes``, parses with that, repairs the strings, and hands the result to the ordinary
class. The copy is built only when a message was refused.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"


def read_with_replacement(body: bytes) -> Message | None:
    """Returns the request with U+FFFD for bytes that are no UTF-8; ``None`` when it is broken otherwise."""
    lenient_class = _lenient_class()
    try:
        lenient = lenient_class.FromString(body)
        _repair(lenient)
        strict: Message = trace_service_pb2.ExportTraceServiceRequest.FromString(lenient.SerializeToString())
    except DecodeError:
        return None
    return strict


@cache
def _lenient_class() -> Any:
    pool = descriptor_pool.DescriptorPool()
    _add(trace_service_pb2.DESCRIPTOR, pool, set())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_REQUEST))


def _add(file: Any, pool: descriptor_pool.DescriptorPool, seen: set[str]) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, pool, seen)
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _loosen(message)
    pool.Add(proto)


def _loosen(message: descriptor_pb2.DescriptorProto) -> None:
    for item in message.field:
        if item.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING:
            item.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            item.json_name = item.name + "_text"  # marks the field for _repair
    for nested in message.nested_type:
        _loosen(nested)


def _repair(message: Any) -> None:
    for item, value in message.ListFields():
        if item.message_type is not None:
            for child in value if item.is_repeated else (value,):
                _repair(child)
        elif item.json_name.endswith("_text"):
            if item.is_repeated:
                value[:] = [_valid(part) for part in value]
            else:
                setattr(message, item.name, _valid(value))


def _valid(raw: bytes) -> bytes:
    return raw.decode("utf-8", "replace").encode()
