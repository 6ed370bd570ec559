"""Our bytes mean what OpenTelemetry's encoder means, for every span that the SDK can make."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanwise import wire
from spanwise.encode import Encoder, EndedSpan

RESOURCES = [Resource({"service.name": "a"}), Resource({"service.name": "b", "n": 1}, "https://schema/1")]
SCOPES = [
    InstrumentationScope("spanwise", "1.0", "https://schema/2"),
    InstrumentationScope("other", attributes={"x": True}),
    None,
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
times = st.integers(0, 2**63 - 1)
values = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
    | st.lists(texts, max_size=4)
    | st.lists(st.integers(-5, 5), max_size=4)
    | st.dictionaries(texts, st.lists(st.booleans() | st.none()), max_size=3)
)
attributes = st.dictionaries(
    st.text(min_size=1, max_size=40).map(lambda key: "k." + ascii(key)), values, max_size=6
)
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.just(TraceFlags(1)),
    trace_state=st.sampled_from([TraceState(), TraceState([("ot", "th:8"), ("b", "2")])]),
)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=contexts | st.none(),
    resource=st.sampled_from(RESOURCES),
    attributes=attributes,
    events=st.lists(st.builds(Event, name=texts, attributes=attributes, timestamp=times), max_size=2),
    links=st.lists(st.builds(Link, context=contexts, attributes=attributes), max_size=2),
    kind=st.sampled_from(list(SpanKind)),
    status=st.builds(Status, st.just(StatusCode.ERROR), texts | st.none()) | st.just(Status(StatusCode.OK)),
    start_time=times,
    end_time=times,
    instrumentation_scope=st.sampled_from(SCOPES),
)


def encoded(batch: list[ReadableSpan], content: Any = None, **options: Any) -> ExportTraceServiceRequest:
    encoder = Encoder({})
    items = [encoder.encode(EndedSpan(span, content, 0)) for span in batch]
    assert encoder.failed_attributes == 0
    return ExportTraceServiceRequest.FromString(encoder.request(items, **options))


@given(st.lists(spans, max_size=5))
@settings(max_examples=150, deadline=None)
def test_the_request_is_the_one_that_opentelemetry_makes(batch: list[ReadableSpan]) -> None:
    assert encoded(batch) == encode_spans(batch)


@given(st.text(max_size=300), st.integers(0, 40_000), st.integers(0, 2**64 - 1))
def test_sizes_and_numbers_of_any_length(key: str, size: int, number: int) -> None:
    (item,) = Span.FromString(wire.key_value(b"\x4a", key, "x" * size)).attributes
    assert (item.key, item.value.string_value) == (key.encode("utf-8", "replace").decode(), "x" * size)
    assert Span.FromString(b"\x50" + wire.varint(number)).dropped_attributes_count == number % 2**32


def span_with(**shown: Any) -> ReadableSpan:
    return ReadableSpan("chat", context=SpanContext(1, 2, False), resource=RESOURCES[0], attributes=shown)


def attributes_of(request: ExportTraceServiceRequest) -> dict[str, str]:
    (span,) = request.resource_spans[0].scope_spans[0].spans
    return {item.key: item.value.string_value for item in span.attributes}


def test_content_becomes_json_and_a_string_stays_as_it_is() -> None:
    content = {"gen_ai.input.messages": [{"role": "user", "n": 1.5}], "gen_ai.retrieval.query.text": "why?"}
    assert attributes_of(encoded([span_with(a="b")], content)) == {
        "a": "b",
        "gen_ai.input.messages": '[{"role":"user","n":1.5}]',
        "gen_ai.retrieval.query.text": "why?",
    }


def test_content_in_the_side_table_wins_over_the_same_attribute_that_a_limit_may_have_cut() -> None:
    request = encoded(
        [span_with(**{"gen_ai.input.messages": '[{"role"'})], {"gen_ai.input.messages": [{"role": "user"}]}
    )
    assert attributes_of(request) == {"gen_ai.input.messages": '[{"role":"user"}]'}


def test_without_content_neither_the_side_table_nor_attributes_show_any() -> None:
    span = span_with(**{"a": "b", "gen_ai.tool.call.arguments": "{}"})
    request = encoded([span], {"gen_ai.input.messages": ["x"]}, with_content=False)
    assert attributes_of(request) == {"a": "b"}


def test_values_that_json_cannot_hold_become_what_it_can() -> None:
    circular: list[Any] = [float("nan"), float("inf"), {1: {2}}, object]
    circular.append(circular)
    text = attributes_of(encoded([span_with()], {"spanwise.input": circular}))["spanwise.input"]
    plain = json.loads(text)
    assert plain[:4] == [None, None, {"1": [2]}, "<class 'object'>"]


def test_lone_surrogates_are_replaced() -> None:
    request = encoded([span_with(**{"a\ud800": "b\udfff"})], {"spanwise.input": ["\ud83d"]})
    assert attributes_of(request) == {"a?": "b?", "spanwise.input": '["?"]'}


def test_an_attribute_that_cannot_be_encoded_costs_itself_only(caplog: Any) -> None:
    encoder = Encoder({})
    items = [
        encoder.encode(EndedSpan(span_with(good="x", bad=object(), huge=2**70), None, 0)) for _ in range(2)
    ]
    request = ExportTraceServiceRequest.FromString(encoder.request(items[:1]))
    assert attributes_of(request) == {"good": "x"}
    assert encoder.failed_attributes == 4
    assert len(caplog.records) == 1


def test_what_was_named_in_code_is_on_every_resource() -> None:
    encoder = Encoder({"service.name": "named", "telemetry.distro.name": "spanwise"})
    item = encoder.encode(EndedSpan(span_with(), None, 0))
    request = ExportTraceServiceRequest.FromString(encoder.request([item]))
    resource = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
    assert resource == {"service.name": "named", "telemetry.distro.name": "spanwise"}
