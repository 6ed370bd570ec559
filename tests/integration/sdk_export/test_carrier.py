"""An app that already exports to our endpoint is left to it: every span comes once, with its messages."""

from typing import Any

import pytest

APP = """
import os
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

provider = TracerProvider()
def export():
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint={url!r} + "/v1/traces")))
"""
BEFORE = "export(); trace.set_tracer_provider(provider); record('chat')"
AFTER = "trace.set_tracer_provider(provider); pipeline.tracer(); export(); record('chat')"
LATER = "trace.set_tracer_provider(provider); record('early'); export(); record('chat')"


def content_of(sink: Any, name: str) -> list[Any]:
    return [span["attributes"].get("gen_ai.input.messages") for span in sink.spans if span["name"] == name]


@pytest.mark.parametrize("order", [BEFORE, AFTER, LATER], ids=["before", "after", "between two calls"])
def test_a_span_comes_once(sink: Any, run_app: Any, order: str) -> None:
    done = run_app(APP.format(url=sink.url) + order, endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert content_of(sink, "chat") == ['["chat"]']
    assert len(content_of(sink, "early")) == (1 if order is LATER else 0)


def test_another_spelling_of_this_machine_is_the_same_place(sink: Any, run_app: Any) -> None:
    url = sink.url.replace("127.0.0.1", "localhost")
    run_app(APP.format(url=url) + BEFORE, endpoint=sink.url)
    assert content_of(sink, "chat") == ['["chat"]']


def test_messages_stay_off_where_others_would_see_them(sink: Any, run_app: Any) -> None:
    other = "provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter())); "
    done = run_app(APP.format(url=sink.url) + other + BEFORE, endpoint=sink.url)
    assert content_of(sink, "chat") == [None]
    assert len(done.lines) == 1
    assert "CAPTURE_MESSAGE_CONTENT=SPAN_ONLY" in done.lines[0]


def test_an_exporter_to_elsewhere_changes_nothing(sink: Any, new_sink: Any, run_app: Any) -> None:
    elsewhere = new_sink()
    run_app(APP.format(url=elsewhere.url) + BEFORE, endpoint=sink.url)
    assert content_of(sink, "chat") == ['["chat"]']
    assert content_of(elsewhere, "chat") == [None]
