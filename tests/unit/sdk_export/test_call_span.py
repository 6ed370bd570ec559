"""Light spans are to the exporter what OpenTelemetry's own are, and make way for them when others listen."""

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as EncodedProto
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from spanwise.call_span import CallSpan
from spanwise.encode import Encoder, EndedSpan
from spanwise.processor import SpanProcessor
from spanwise.provider import OwnTracerProvider

RESOURCE = Resource({"service.name": "shop"})
REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@pytest.fixture
def provider() -> OwnTracerProvider:
    made = OwnTracerProvider(RESOURCE)
    made.add_span_processor(SpanProcessor())
    return made


def _used(span: Span) -> None:
    span.set_attributes({"text": "a", "count": 2, "ratio": 0.5, "is_on": True, "list": ["a", "b"]})
    span.set_attribute("text", "b")
    span.add_event("exception", {"exception.type": "ValueError"}, 17)
    span.add_link(REMOTE, {"why": "so"})
    span.set_status(Status(StatusCode.ERROR, "it failed"))
    span.set_status(StatusCode.UNSET)
    span.update_name("chat other")
    span.end(5)
    span.set_attribute("late", "x")
    span.end(6)


def _encoded(span: Any) -> EncodedProto:
    found = EncodedProto.FromString(Encoder({}).encode(EndedSpan(span, None, 0)).body)
    found.span_id = b""  # random
    found.attributes.sort(key=lambda each: each.key)
    return found


def test_the_exporter_cannot_tell_them_apart(provider: OwnTracerProvider) -> None:
    context = set_span_in_context(NonRecordingSpan(REMOTE))
    spans = []
    for tracer in (provider.get_tracer("spanwise"), TracerProvider(resource=RESOURCE).get_tracer("spanwise")):
        span = tracer.start_span("chat x", context, SpanKind.CLIENT, {"first": 1}, start_time=3)
        _used(span)
        spans.append(span)
    light, stock = spans
    assert isinstance(light, CallSpan)
    assert not isinstance(stock, CallSpan)
    assert _encoded(light) == _encoded(stock)
    shown, expected = json.loads(light.to_json()), json.loads(stock.to_json())  # type: ignore[attr-defined]
    for each in (shown, expected):
        del each["context"]["span_id"]
        each["attributes"] = sorted(each["attributes"].items())
    assert shown == expected


def test_another_processor_gets_opentelemetrys_spans(provider: OwnTracerProvider) -> None:
    tracer = provider.get_tracer("spanwise")
    assert isinstance(tracer.start_span("before"), CallSpan)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = tracer.start_span("after")
    span.end()
    assert not isinstance(span, CallSpan)
    assert [each.name for each in exporter.get_finished_spans()] == ["after"]


def test_limits_of_the_environment_are_opentelemetrys_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    provider = OwnTracerProvider(RESOURCE)
    provider.add_span_processor(SpanProcessor())
    span: Any = provider.get_tracer("spanwise").start_span("chat", attributes={"a": 1, "b": 2, "c": 3})
    assert dict(span.attributes) == {"b": 2, "c": 3}


def test_an_unsampled_parent_has_unsampled_children(provider: OwnTracerProvider) -> None:
    parent = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(0))
    span = provider.get_tracer("spanwise").start_span("x", set_span_in_context(NonRecordingSpan(parent)))
    assert not span.is_recording()


def test_other_tracers_of_the_provider_are_opentelemetrys(provider: OwnTracerProvider) -> None:
    assert not isinstance(provider.get_tracer("the app").start_span("x"), CallSpan)


def test_more_attributes_than_fit_push_the_oldest_out(provider: OwnTracerProvider) -> None:
    span: Any = provider.get_tracer("spanwise").start_span("x")
    span.set_attributes({f"key {number}": number for number in range(130)})
    assert len(span.attributes) == 128
    assert "key 1" not in span.attributes
    assert span.dropped_attributes == 2
