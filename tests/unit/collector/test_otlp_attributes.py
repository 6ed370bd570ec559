"""Attributes read from their bytes are what protobuf's own classes say, however they are laid out."""

import math
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanwise_collector.ingest.otlp_attributes import AttributeReader

INTEGERS = st.integers(-(2**63), 2**63 - 1)
PLAIN = st.one_of(
    st.builds(lambda v: AnyValue(string_value=v), st.text(max_size=300)),
    st.builds(lambda v: AnyValue(int_value=v), INTEGERS),
    st.builds(lambda v: AnyValue(double_value=v), st.floats(allow_nan=False)),
    st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
    st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=200)),
    st.just(AnyValue()),
)


def nested(children: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    lists, maps = st.lists(children, max_size=3), st.dictionaries(st.text(max_size=4), children, max_size=3)
    return st.one_of(lists.map(array), maps.map(kvlist))


def array(items: list[AnyValue]) -> AnyValue:
    value = AnyValue()
    value.array_value.SetInParent()
    value.array_value.values.extend(items)
    return value


def kvlist(items: dict[str, AnyValue]) -> AnyValue:
    value = AnyValue()
    value.kvlist_value.SetInParent()
    value.kvlist_value.values.extend(KeyValue(key=key, value=item) for key, item in items.items())
    return value


def expected(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [expected(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: expected(item.value) for item in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=140), st.recursive(PLAIN, nested, max_leaves=6)), max_size=8))
def test_what_protobuf_encodes_is_read_as_protobuf_reads_it(items: list[tuple[str, AnyValue]]) -> None:
    encoded = [KeyValue(key=key, value=value).SerializeToString() for key, value in items]
    # Twice, since the second time short ones are remembered.
    reader = AttributeReader()
    wanted = {key: expected(value) for key, value in items}
    for _ in range(2):
        found = reader.read(encoded)
        assert found == wanted
        assert [type(value) for value in found.values()] == [type(value) for value in wanted.values()]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_protobuf_reads_them_or_refused(raw: bytes) -> None:
    try:
        item = KeyValue.FromString(raw)
    except DecodeError:
        with pytest.raises((DecodeError, UnicodeDecodeError)):
            AttributeReader().read([raw])
        return
    (value,) = AttributeReader().read([raw]).values()
    wanted = expected(item.value)
    assert value == wanted or (isinstance(value, float) and math.isnan(value) and math.isnan(wanted))


KEY, TEXT = b"\x0a\x01k", b"\x12\x04\x0a\x02hi"


@pytest.mark.parametrize(
    ("raw", "key", "value"),
    [
        (TEXT + KEY, "k", "hi"),  # the other way round
        (KEY + TEXT + b"\x12\x03\x0a\x01x", "k", "x"),  # twice: the later one
        (KEY + b"\x12\x06\x0a\x01a\x0a\x01b", "k", "b"),
        (KEY + TEXT + b"\x50\x01", "k", "hi"),  # a field that nobody knows
        (KEY + b"\x12\x05\x0a\x82\x00hi", "k", "hi"),  # a length in more bytes than it needs
        (KEY + b"\x12\x02\x10\x05", "k", True),  # a bool that is not 1
        (KEY + b"\x12\x00", "k", None),
        (KEY, "k", None),
        (b"", "", None),
    ],
)
def test_layouts_that_no_encoder_writes_but_the_format_allows(raw: bytes, key: str, value: Any) -> None:
    assert AttributeReader().read([raw]) == {key: value}
