"""Attributes in protobuf, read from their bytes: ``KeyValue`` messages to pairs of a key and a value.

Asking protobuf's Python classes for each key and value costs more than everything else in a request. The
attributes of a batch repeat each other (models, hosts, parameters), so that what was read once is looked up
by its bytes; the rest is read here when it is laid out the way every encoder does, and by protobuf otherwise.

Source: opentelemetry-proto 1.11.0, common.proto; https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterable
from struct import Struct
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanwise_collector.model import AnyValue

Pair = tuple[str, AnyValue]
_REMEMBERED_BYTES = 96
_KEY, _VALUE = 0x0A, 0x12
"""Tags of ``KeyValue``: number and wire type of its fields ``key`` and ``value``."""
_STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21
"""Tags of ``AnyValue``'s plain values."""
_double = Struct("<d").unpack


class AttributeReader(dict[bytes, Pair]):
    """Reads the attributes of one request; maps the bytes of short ones to what they say.

    Equal attributes share one value, lists and maps too: it must not be changed.
    """

    def read(self, items: Iterable[bytes]) -> dict[str, AnyValue]:
        """Returns the attributes; of two with the same key the last one counts.

        Raises:
            google.protobuf.message.DecodeError: The bytes are no ``KeyValue``.
            UnicodeDecodeError: They hold text that is not UTF-8; either may be raised for that.
        """
        return dict(map(self.__getitem__, items))

    def __missing__(self, raw: bytes) -> Pair:
        pair = _read_plain(raw) or _read_any(raw)
        if len(raw) <= _REMEMBERED_BYTES:
            self[raw] = pair
        return pair


def _read_plain(raw: bytes) -> Pair | None:
    """Reads a short key followed by a plain value and nothing else; ``None`` for any other layout."""
    try:
        value_at = raw[1] + 2
        if raw[0] != _KEY or value_at > 129 or raw[value_at] != _VALUE:
            return None
        size, start = _varint(raw, value_at + 1)
        if start + size != len(raw):
            return None
        tag = raw[start]
        if tag == _STRING:
            size, start = _varint(raw, start + 1)
            if start + size != len(raw):
                return None
            return raw[2:value_at].decode(), raw[start:].decode()
        return _read_number(raw, raw[2:value_at].decode(), tag, start + 1)
    except IndexError:  # it ends too early, or the value is empty
        return None


def _read_number(raw: bytes, key: str, tag: int, start: int) -> Pair | None:
    if tag == _DOUBLE:
        return (key, _double(raw[start:])[0]) if len(raw) == start + 8 else None
    if tag not in (_INT, _BOOL):
        return None
    number, end = _varint(raw, start)
    if end != len(raw) or number >= 1 << 63:  # a negative number: ten bytes, rare enough for protobuf
        return None
    return key, bool(number) if tag == _BOOL else number


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Returns the number at a place, and the place behind it."""
    byte = raw[at]
    if byte < 128:
        return byte, at + 1
    number, shift = byte & 127, 7
    while True:
        at += 1
        byte = raw[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7


def _read_any(raw: bytes) -> Pair:
    item = KeyValue.FromString(raw)
    return item.key, _any_value(item.value)


def _any_value(value: Any) -> AnyValue:
    # Protobuf's generated classes are opaque to mypy without their own stubs: hence Any.
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_any_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _any_value(item.value) for item in value.kvlist_value.values}
    # string_value_strindex belongs to profiles and is treated as absent elsewhere.
    if kind is None or kind == "string_value_strindex":
        return None
    plain: AnyValue = getattr(value, kind)
    return plain
