"""A request is processed span by span: one that we cannot handle costs nothing but itself."""

from collections.abc import Callable

import pytest

from spanwise_collector.ingest import pipeline as module
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.model import Span


def test_a_fault_of_ours_is_logged_and_costs_one_span(
    make_span: Callable[..., Span],
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    normalise = module.normalise

    def fails_on_bad(span: Span) -> object:
        if span.name == "bad":
            raise ZeroDivisionError
        return normalise(span)

    monkeypatch.setattr(module, "normalise", fails_on_bad)
    batch = pipeline.process(Batch(spans=[make_span(name=name) for name in ("a", "bad", "b")]))
    assert [span.name for span in batch.spans] == ["a", "b"]
    assert batch.rejected == {"unreadable_span": 1}
    assert "ZeroDivisionError" in batch.message
    assert "cannot be normalised" in caplog.text


@pytest.mark.parametrize("depth", [100, 50_000])
def test_deeply_nested_content_is_kept_one_way_or_the_other(
    depth: int, make_span: Callable[..., Span], pipeline: Pipeline
) -> None:
    deep = "[" * depth + "]" * depth
    keys = ("gen_ai.input.messages", "gen_ai.tool.definitions", "input.value", "gen_ai.prompt.0.content")
    for key in keys:
        (span,) = pipeline.process(
            Batch(spans=[make_span({key: deep, "openinference.span.kind": "LLM"})])
        ).spans
        kept = span.input_messages + span.tool_definitions + str(span.attributes)
        assert deep[2:-2] in kept.replace('"', "") or "unreadable:" + key in span.warnings
