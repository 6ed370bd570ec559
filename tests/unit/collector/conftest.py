"""Builders of spans and OTLP requests for the collector's unit tests."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.cost import Pricer
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.model import Span, SpanEvent


@pytest.fixture
def make_span() -> Callable[..., Span]:
    """Returns a builder of decoded spans with raw attributes."""

    def build(
        attributes: dict[str, Any] | None = None,
        *,
        events: list[tuple[str, int, dict[str, Any]]] | None = None,
        **fields: Any,
    ) -> Span:
        start = time.time_ns() - 60_000_000_000
        known: dict[str, Any] = {
            "project_id": "default",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
            "name": "chat gpt-4o",
            "start_ns": start,
            "end_ns": start + 2_000_000_000,
            "kind": "client",
        }
        known.update(fields)
        return Span(
            **known,
            attributes=dict(attributes or {}),
            events=[
                SpanEvent(name, known["start_ns"] + offset_ns, values)
                for name, offset_ns, values in events or ()
            ],
        )

    return build


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return Pipeline(Pricer(), retention_days=90)


@pytest.fixture
def ingest(make_span: Callable[..., Span], pipeline: Pipeline) -> Callable[..., Span]:
    """Returns a function that builds a span and takes it through the whole pipeline."""

    def run(attributes: dict[str, Any] | None = None, **fields: Any) -> Span:
        span = make_span(attributes, **fields)
        batch = pipeline.process(Batch(spans=[span]))
        assert batch.rejected_count == 0, batch.message
        return batch.spans[0]

    return run


@pytest.fixture
def messages_of() -> Callable[[str], list[dict[str, Any]]]:
    """Returns a reader of a messages column."""

    def read(column: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(column) if column else []
        return found

    return read
