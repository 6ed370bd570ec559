"""``spanwise.score()``: what it scores, what it takes, and that data can never make it raise."""

import logging
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace as otel

import spanwise
from spanwise import testing

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def recorder() -> Any:
    with testing.record_spans("openai") as made:
        yield made


def test_the_current_span_is_scored(recorder: Any) -> None:
    with spanwise.span("outer"), spanwise.span("inner") as inner:
        assert spanwise.score("grounded", 0.93, comment="two sources", label="pass")
        assert (spanwise.current_trace_id(), spanwise.current_span_id()) == (inner.trace_id, inner.span_id)
    (score,) = recorder.scores
    assert (score.trace_id, score.span_id) == (inner.trace_id, inner.span_id)
    assert (score.name, score.kind, score.value, score.label) == ("grounded", "number", 0.93, "pass")
    assert score.comment == "two sources"


def test_a_kept_trace_id_is_scored_as_a_whole(recorder: Any) -> None:
    assert spanwise.score("helpful", True, trace=TRACE_ID.upper())
    assert spanwise.score("helpful", False, trace=TRACE_ID, span=SPAN_ID)
    assert spanwise.score("helpful", False, trace=f"00-{TRACE_ID}-{SPAN_ID}-01")
    assert [(each.trace_id, each.span_id, each.value, each.label) for each in recorder.scores] == [
        (TRACE_ID, "", 1.0, "true"),
        (TRACE_ID, SPAN_ID, 0.0, "false"),
        (TRACE_ID, SPAN_ID, 0.0, "false"),
    ]


def test_a_step_and_a_span_can_be_scored_after_their_end(recorder: Any) -> None:
    with spanwise.span("answer") as step:
        span = otel.get_current_span()
    for target in (step, span, span.get_span_context()):
        assert spanwise.score("quality", 1, trace=target)
    assert {(each.trace_id, each.span_id) for each in recorder.scores} == {(step.trace_id, step.span_id)}


@pytest.mark.parametrize(
    ("value", "kind", "number", "label"),
    [
        (True, "boolean", 1.0, "true"),
        (np.bool_(False), "boolean", 0.0, "false"),
        (3, "number", 3.0, ""),
        (np.float32(0.5), "number", 0.5, ""),
        (np.int64(7), "number", 7.0, ""),
        (Decimal("0.25"), "number", 0.25, ""),
        (" formal ", "category", None, "formal"),
    ],
)
def test_values_of_every_kind(recorder: Any, value: Any, kind: str, number: float | None, label: str) -> None:
    assert spanwise.score("x", value, trace=TRACE_ID)
    (score,) = recorder.scores
    assert (score.kind, score.value, score.label) == (kind, number, label)


def test_who_scored_and_the_scores_own_id_travel_along(recorder: Any) -> None:
    with spanwise.context(user_id="u-1"):
        spanwise.score("thumbs", True, trace=TRACE_ID, score_id="click-7")
    attributes = recorder.scores[0].attributes
    assert (attributes["user.id"], attributes["spanwise.score.id"]) == ("u-1", "click-7")


def test_comments_are_scrubbed_and_cut(recorder: Any) -> None:
    spanwise.score("x", 1, trace=TRACE_ID, comment="mail jane.doe@example.com " + "y" * 20_000)
    comment = recorder.scores[0].comment
    assert "jane.doe" not in comment
    assert len(comment) <= 16_384


def test_comments_obey_the_capture_policy() -> None:
    with testing.record_spans("openai", capture=False) as recorder:
        spanwise.score("x", 1, trace=TRACE_ID, comment="what the user said")
    assert (recorder.scores[0].value, recorder.scores[0].comment) == (1.0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": float("nan"), "trace": TRACE_ID},
        {"value": float("inf"), "trace": TRACE_ID},
        {"value": "  ", "trace": TRACE_ID},
        {"name": "", "trace": TRACE_ID},
        {"name": "n" * 257, "trace": TRACE_ID},
        {"trace": None},
        {"trace": ""},
        {"trace": "0" * 32},
        {"trace": TRACE_ID[:-1]},
        {"trace": 17},
        {"trace": TRACE_ID, "span": "nope"},
        {},
    ],
)
def test_data_that_cannot_be_used_is_said_once_and_never_raises(
    recorder: Any, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        assert spanwise.score(**{"name": "x", "value": 1, **arguments}) is False
    assert recorder.scores == []
    lines = [record.getMessage() for record in caplog.records if "a score was not recorded" in record.message]
    assert len(lines) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": None, "value": 1},
        {"name": "x", "value": None},
        {"name": "x", "value": [1]},
        {"name": "x", "value": object()},
        {"name": "x", "value": "good", "label": "fine"},
        {"name": "x", "value": 1, "comment": 5},
        {"name": "x", "value": 1, "span": 5},
    ],
)
@pytest.mark.parametrize("is_on", [True, False])
def test_wrong_types_are_mistakes_of_the_program(arguments: dict[str, Any], is_on: bool) -> None:
    if is_on:
        with testing.record_spans("openai"), pytest.raises(TypeError):
            spanwise.score(**arguments)
    else:
        with pytest.raises(TypeError):
            spanwise.score(**arguments)


def test_without_spanwise_nothing_happens() -> None:
    assert spanwise.score("x", 1, trace=TRACE_ID) is False
    assert spanwise.current_trace_id() is None
    assert spanwise.current_span_id() is None


def test_a_span_left_out_by_sampling_is_not_scored(recorder: Any) -> None:
    assert spanwise.score("x", 1, trace=f"00-{TRACE_ID}-{SPAN_ID}-00") is False
    assert recorder.scores == []
