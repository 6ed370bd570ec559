"""The protobuf and JSON readers: statements 24 to 31, 38 and 40 of the OTLP reference."""

import base64
import json
import math
from dataclasses import fields
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue as ProtoValue

from spanwise_collector.ingest import otlp_json, otlp_protobuf
from spanwise_collector.ingest.batch import Batch, Undecodable
from spanwise_collector.model import Span

TRACE = bytes(range(1, 17))
SPAN = bytes(range(1, 9))


def one(**members: Any) -> bytes:
    span = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "name": "s", "startTimeUnixNano": "1", **members}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def read_one(**members: Any) -> Span:
    batch = otlp_json.read_traces(one(**members), "default")
    assert batch.rejected_count == 0, batch.message
    return batch.spans[0]


def read_value(value: Any) -> Any:
    return read_one(attributes=[{"key": "k", "value": value}]).attributes["k"]


def test_24_hex_ids_read_the_same_in_both_cases() -> None:
    upper = read_one(traceId=TRACE.hex().upper(), spanId=SPAN.hex().upper(), parentSpanId="AB" * 8)
    assert (upper.trace_id, upper.span_id, upper.parent_span_id) == (TRACE.hex(), SPAN.hex(), "ab" * 8)


@pytest.mark.parametrize("bad", ["", "0" * 32, "ab" * 15, "zz" * 16, "ab " * 10 + "ab", None, 5])
def test_25_a_bad_trace_id_rejects_that_span_only(bad: object) -> None:
    spans = [
        {"traceId": bad, "spanId": SPAN.hex(), "name": "bad"},
        {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "name": "good"},
    ]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    batch = otlp_json.read_traces(body, "default")
    assert [span.name for span in batch.spans] == ["good"]
    assert batch.rejected == {"invalid_trace_id": 1}
    assert "trace id" in batch.message


@pytest.mark.parametrize("bad", [b"", bytes(8), b"\x01" * 7])
def test_25_a_bad_span_id_in_protobuf_rejects_that_span_only(bad: bytes) -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    group.spans.add(trace_id=TRACE, span_id=bad)
    group.spans.add(trace_id=TRACE, span_id=SPAN)
    batch = otlp_protobuf.read_traces(request.SerializeToString(), "default")
    assert (len(batch.spans), batch.rejected) == (1, {"invalid_span_id": 1})


@pytest.mark.parametrize("written", ["1795312890123456789", 1795312890123456789])
def test_26_times_keep_their_nanoseconds_as_text_and_as_number(written: object) -> None:
    assert read_one(startTimeUnixNano=written).start_ns == 1795312890123456789


def test_27_a_large_integer_as_text_is_exact() -> None:
    assert read_value({"intValue": "9223372036854775807"}) == 2**63 - 1


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_an_integer_beyond_64_bits_is_kept_as_its_digits(number: int) -> None:
    assert read_value({"intValue": str(number)}) == str(number)


@pytest.mark.parametrize(
    "key", ["flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"]
)
def test_a_count_beyond_32_bits_rejects_that_span_only(key: str) -> None:
    batch = otlp_json.read_traces(one(**{key: 2**32}), "default")
    assert batch.rejected_count == 1
    assert f"{key}={2**32} is not an unsigned 32-bit integer" in batch.message


def test_28_unknown_keys_are_ignored_at_every_level() -> None:
    span = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "new": 1, "status": {"new": 2, "code": 2}}
    span["attributes"] = [{"key": "k", "value": {"stringValue": "v", "new": []}, "new": {}}]
    group = {"scope": {"name": "n", "new": 1}, "spans": [span], "new": 1}
    document = {"resourceSpans": [{"resource": {"new": 1}, "scopeSpans": [group], "new": 1}], "new": 1}
    found = otlp_json.read_traces(json.dumps(document).encode(), "default").spans[0]
    assert (found.attributes, found.status, found.scope_name) == ({"k": "v"}, "error", "n")


def test_29_unknown_enum_numbers_are_no_failure() -> None:
    assert (read_one(kind=99).kind, read_one(status={"code": 7}).status) == ("internal", "unset")
    request = ExportTraceServiceRequest()
    item = request.resource_spans.add().scope_spans.add().spans.add(trace_id=TRACE, span_id=SPAN, kind=99)
    item.status.code = 7  # type: ignore[assignment]
    found = otlp_protobuf.read_traces(request.SerializeToString(), "default").spans[0]
    assert (found.kind, found.status) == ("internal", "unset")


def test_30_bytes_come_from_base64_and_special_doubles_from_text() -> None:
    assert read_value({"bytesValue": base64.b64encode(b"\x00\xff").decode()}) == b"\x00\xff"
    assert math.isnan(read_value({"doubleValue": "NaN"}))
    assert read_value({"doubleValue": "-Infinity"}) == -math.inf


def test_38_any_value_is_read_unchanged() -> None:
    nested = {
        "kvlistValue": {
            "values": [
                {
                    "key": "list",
                    "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}, {}]}},
                },
                {"key": "empty", "value": {}},
                {"key": "flag", "value": {"boolValue": False}},
            ]
        }
    }
    assert read_value(nested) == {"list": [1, "a", None], "empty": None, "flag": False}
    assert read_value(None) is None


def test_null_is_the_same_as_absent() -> None:
    found = read_one(parentSpanId=None, attributes=None, events=None, status=None, flags=None, name=None)
    assert (found.parent_span_id, found.attributes, found.events, found.name) == ("", {}, [], "")


def test_the_last_of_two_equal_keys_wins() -> None:
    pairs = [{"key": "k", "value": {"stringValue": text}} for text in ("first", "last")]
    assert read_one(attributes=pairs).attributes == {"k": "last"}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b"\xff",
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [1]}',
        b"nul",
        b'{"resourceSpans":"x"}',
    ],
)
def test_12_what_is_not_otlp_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        otlp_json.read_traces(body, "default")


@pytest.mark.parametrize(("depth", "rejected"), [(40, 0), (60, 1), (300, 1)])
def test_nesting_beyond_reason_rejects_that_span_only(depth: int, rejected: int) -> None:
    deep: Any = {"stringValue": "x"}
    for _ in range(depth):
        deep = {"arrayValue": {"values": [deep]}}
    batch = otlp_json.read_traces(one(attributes=[{"key": "k", "value": deep}]), "default")
    assert (len(batch.spans), batch.rejected_count) == (1 - rejected, rejected)
    if rejected:
        assert "nested deeper" in batch.message


def test_nesting_that_no_parser_takes_is_undecodable() -> None:
    deep = '{"arrayValue":{"values":[' * 3000 + "{}" + "]}}" * 3000
    body = one(attributes=[]).replace(b"[]", f'[{{"key":"k","value":{deep}}}]'.encode())
    with pytest.raises(Undecodable):
        otlp_json.read_traces(body, "default")


def test_an_unreadable_time_rejects_that_span_only() -> None:
    batch = otlp_json.read_traces(one(startTimeUnixNano="soon"), "default")
    assert batch.rejected == {"unreadable_span": 1}
    assert "soon" in batch.message


def test_invalid_unicode_is_replaced_and_told() -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=TRACE, span_id=SPAN, name="abcdef")
    from_protobuf = otlp_protobuf.read_traces(
        request.SerializeToString().replace(b"abcdef", b"ab\xff\xfeef"), "default"
    )
    from_json = otlp_json.read_traces(one(name="abcdef").replace(b"abcdef", b"ab\xff\xfeef"), "default")
    surrogate = otlp_json.read_traces(one(name="abcdef").replace(b"abcdef", b"ab\\ud83def"), "default")
    assert from_protobuf.spans[0].name == from_json.spans[0].name == "ab\ufffd\ufffdef"
    assert surrogate.spans[0].name == "ab\ufffdef"
    for batch in (from_protobuf, from_json, surrogate):
        assert batch.rejected_count == 0
        assert "U+FFFD" in batch.message


def test_11_truncated_protobuf_is_undecodable() -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=TRACE, span_id=SPAN, name="abc")
    with pytest.raises(Undecodable, match="protobuf"):
        otlp_protobuf.read_traces(request.SerializeToString()[:-4], "default")


def full_request() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add(schema_url="https://r")
    resource.resource.attributes.add(key="service.name").value.string_value = "svc"
    group = resource.scope_spans.add(schema_url="https://s")
    group.scope.name, group.scope.version = "lib", "1.2"
    group.scope.attributes.add(key="short").value.bool_value = True
    span = group.spans.add(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=b"\x09" * 8,
        trace_state="ot=th:8",
        flags=257,
        name="n",
        kind=3,
        start_time_unix_nano=1_795_312_890_123_456_789,
        end_time_unix_nano=1_795_312_891_123_456_789,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    span.status.code, span.status.message = 2, "boom"  # type: ignore[assignment]
    span.events.add(name="e", time_unix_nano=5).attributes.add(key="a").value.int_value = 2**60
    link = span.links.add(trace_id=b"\x05" * 16, span_id=b"\x06" * 8, trace_state="x=y")
    link.attributes.add(key="d").value.double_value = 0.5
    return request


def as_otlp_json(request: ExportTraceServiceRequest) -> bytes:
    """Protobuf's own JSON with the ids turned into hex, as OTLP wants them."""

    def fix(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: base64.b64decode(value).hex()
                if key in ("traceId", "spanId", "parentSpanId")
                else fix(value)
                for key, value in node.items()
            }
        return [fix(item) for item in node] if isinstance(node, list) else node

    return json.dumps(fix(MessageToDict(request, use_integers_for_enums=True))).encode()


def same(left: Batch, right: Batch) -> None:
    assert left.rejected == right.rejected
    for one_, other in zip(left.spans, right.spans, strict=True):
        for field in fields(Span):
            assert repr(getattr(one_, field.name)) == repr(getattr(other, field.name)), field.name


def test_40_and_31_every_field_is_kept_and_both_encodings_agree() -> None:
    request = full_request()
    from_protobuf = otlp_protobuf.read_traces(request.SerializeToString(), "default")
    same(from_protobuf, otlp_json.read_traces(as_otlp_json(request), "default"))
    span = from_protobuf.spans[0]
    assert (span.kind, span.status, span.status_message) == ("client", "error", "boom")
    assert (span.trace_state, span.flags, span.parent_span_id) == ("ot=th:8", 257, "09" * 8)
    assert (span.resource, span.scope_name, span.scope_version) == ({"service.name": "svc"}, "lib", "1.2")
    assert (span.resource_schema_url, span.scope_schema_url) == ("https://r", "https://s")
    assert span.scope_attributes == {"short": True}
    counts = (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count)
    assert counts == (1, 2, 3)
    assert (span.events[0].name, span.events[0].time_ns, span.events[0].attributes) == ("e", 5, {"a": 2**60})
    link = span.links[0]
    assert (link.trace_id, link.span_id, link.trace_state) == ("05" * 16, "06" * 8, "x=y")


def _as_array(items: list[ProtoValue]) -> ProtoValue:
    value = ProtoValue()
    value.array_value.values.extend(items)
    value.array_value.SetInParent()
    return value


VALUES = st.recursive(
    st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=20).map(lambda v: ProtoValue(string_value=v)),
        st.booleans().map(lambda v: ProtoValue(bool_value=v)),
        st.integers(-(2**63), 2**63 - 1).map(lambda v: ProtoValue(int_value=v)),
        st.floats().map(lambda v: ProtoValue(double_value=v)),
        st.binary(max_size=20).map(lambda v: ProtoValue(bytes_value=v)),
        st.just(ProtoValue()),
    ),
    lambda children: st.lists(children, max_size=3).map(_as_array),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=12), VALUES, max_size=5))
def test_31_any_attributes_read_the_same_from_both_encodings(attributes: dict[str, ProtoValue]) -> None:
    request = full_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key, value in attributes.items():
        span.attributes.add(key=key, value=value)
    same(
        otlp_protobuf.read_traces(request.SerializeToString(), "default"),
        otlp_json.read_traces(as_otlp_json(request), "default"),
    )
