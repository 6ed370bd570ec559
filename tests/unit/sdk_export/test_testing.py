"""What ``spanwise.testing`` gives to tests of apps: the same spans, ids and times on every run."""

from typing import Any

import pytest
from opentelemetry import trace

import spanwise
from spanwise import runtime
from spanwise.testing import START_NS, TICK_NS, RecordedSpan, record_spans


@spanwise.workflow
def answer(question: str) -> str:
    with spanwise.span("look up"):
        return question.upper()


def record() -> list[RecordedSpan]:
    with record_spans("openai") as recorder:
        answer("why?")
    return recorder.spans


def test_the_spans_are_equal_on_every_run() -> None:
    assert record() == record()


def test_ids_and_times_are_fixed_and_content_is_there_as_values() -> None:
    step, workflow = record()
    assert (step.name, step.span_id, step.parent_span_id) == ("look up", f"{2:016x}", f"{1:016x}")
    assert (workflow.start_ns, step.start_ns) == (START_NS, START_NS + TICK_NS)
    assert (step.end_ns, workflow.end_ns) == (START_NS + 2 * TICK_NS, START_NS + 3 * TICK_NS)
    assert workflow.trace_id == step.trace_id == f"{1:032x}"
    assert workflow.attributes["spanwise.input"] == {"question": "why?"}
    assert workflow.attributes["spanwise.output"] == "WHY?"


def test_nothing_outside_is_touched() -> None:
    before = runtime.current(), trace.get_tracer_provider()
    record()
    assert (runtime.current(), trace.get_tracer_provider()) == before
    with record_spans("openai") as recorder:
        pass
    answer("not recorded")
    assert recorder.spans == []


def test_errors_are_found_by_operation(request: Any) -> None:
    with record_spans("openai") as recorder, pytest.raises(ZeroDivisionError), spanwise.span("divide"):
        _ = 1 / 0
    (failed,) = recorder.find(name="divide")
    assert failed.status == "ERROR"
    assert failed.events[0][0] == "exception"
    assert recorder.find(operation="chat") == []
    recorder.clear()
    assert recorder.spans == []


def test_settings_are_those_of_instrument() -> None:
    with record_spans("openai", capture=False) as recorder:
        answer("secret")
    assert not any("spanwise.input" in span.attributes for span in recorder.spans)
    with pytest.raises(TypeError, match="no_such"), record_spans(no_such=1):
        pass
