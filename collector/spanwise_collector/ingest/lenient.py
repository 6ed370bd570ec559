"""Repairs OTLP protobuf whose strings are not valid UTF-8, replacing the bad bytes.

The generated classes refuse such a message whole. Here it is parsed by a schema in which every ``string`` is
``bytes``, and its strings are repaired. That schema is built only when a message was refused.
"""

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import DecodeError

from spanwise_collector.ingest.otlp_schema import TRACES, request_class


def with_replacement(body: bytes, request: str = TRACES) -> bytes | None:
    """Returns the request with U+FFFD for bytes that are no UTF-8; ``None`` when it is broken otherwise."""
    try:
        message = _lenient_class(request).FromString(body)
    except DecodeError:
        return None
    _repair(message)
    repaired: bytes = message.SerializeToString()
    return repaired


@cache
def _lenient_class(request: str) -> Any:
    return request_class(_loosen, request)


def _loosen(item: FieldDescriptorProto) -> None:
    if item.type == FieldDescriptorProto.TYPE_STRING:
        item.type = FieldDescriptorProto.TYPE_BYTES
        item.json_name = item.name + "_text"  # marks the field for _repair


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
