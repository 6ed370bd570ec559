"""The panel's view of a span: content by kind, usage, failures, addresses of long texts."""

import json
from decimal import Decimal

import pytest

from spanwise_collector.model import Span, SpanEvent, SpanOutline
from spanwise_dashboards.span_view import span_document, text_at, view_span
from spanwise_dashboards.tool_results import find_results
from spanwise_dashboards.usage import usage_of

START = 1_763_562_713_000_000_000


def span(**more: object) -> Span:
    held = {"name": "chat m", "operation": "chat", "span_id": "a" * 16, **more}
    return Span(project_id="default", trace_id="b" * 32, start_ns=START, end_ns=START + 2_000_000_000, **held)  # type: ignore[arg-type]


def test_subsets_of_tokens_are_taken_out_and_never_added():
    used = usage_of(
        span(input_tokens=1000, cached_input_tokens=600, output_tokens=100, reasoning_output_tokens=60)
    )
    assert used is not None
    assert {line.name: line.tokens for line in used.lines} == {
        "Input": 400,
        "Input, from cache": 600,
        "Reasoning": 60,
        "Answer": 40,
    }
    assert used.total == 1100
    assert usage_of(span()) is None


def test_a_price_is_broken_down_only_when_it_adds_up():
    tokens = {"input_tokens": 1000, "cached_input_tokens": 600, "output_tokens": 100}
    known = span(provider="openai", response_model="gpt-4.1-mini", cost_status="priced", **tokens)
    known.cost_usd = Decimal("0.00038")  # 400 x 0.40 + 600 x 0.10 + 100 x 1.60, per million
    used = usage_of(known)
    assert used is not None
    assert used.has_prices
    assert [line.price_label for line in used.lines] == ["0.40", "0.10", "1.60"]
    assert [line.cost_label for line in used.lines] == ["0.000160", "0.000060", "0.000160"]
    known.cost_usd = Decimal("0.5")
    repriced = usage_of(known)
    assert repriced is not None
    assert not repriced.has_prices
    assert repriced.cost_label == "0.500000"


@pytest.mark.parametrize(
    ("status", "label"), [("unpriced", "unpriced"), ("not_billable", "not billed"), ("priced", "unknown")]
)
def test_no_cost_is_said_in_words(status: str, label: str):
    used = usage_of(span(input_tokens=5, cost_status=status))
    assert used is not None
    assert used.cost_label == label


def test_an_exception_event_is_a_failure_with_its_stack():
    event = SpanEvent(
        "exception",
        START + 5_000_000,
        {"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": "line 1\nline 2"},
    )
    view = view_span(span(status="error", status_message="no", events=[event]))
    (failure,) = view.failures
    assert (failure.type, failure.message.content) == ("ValueError", "no")
    assert failure.stacktrace is not None
    assert view.events[0].offset.startswith("+5")
    bare = view_span(span(status="error", status_message="went wrong", error_type="timeout"))
    assert (bare.failures[0].type, bare.failures[0].message.content) == ("timeout", "went wrong")


def test_facts_name_parameters_and_speed():
    view = view_span(
        span(
            time_to_first_chunk_ns=1_000_000_000,
            output_tokens=90,
            cost_usd=Decimal("0.5"),
            response_model="m-1",
            attributes={"gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 2048},
        )
    )
    facts = [f"{label} {value}".strip().replace("\u00a0", " ") for label, value in view.facts]
    assert facts == [
        "2.00 s",
        "first token 1.00 s",
        "90 tokens/s",
        "$0.5000",
        "model m-1",
        "temperature 0.2",
        "max_tokens 2,048",
    ]


def test_content_follows_the_kind():
    documents = json.dumps(
        [{"id": "d", "score": 0.5, "content": "one"}, "two", {"id": "e", "distance": 0.25}]
    )
    retrieval = view_span(span(operation="retrieval", documents=documents, input_text="what?"))
    assert retrieval.content_label == "Documents"
    assert [(d.rank, d.score, d.score_width) for d in retrieval.documents] == [
        (1, "0.500", 100.0),
        (2, "none", 0.0),
        (3, "distance 0.250", 0.0),
    ]
    assert retrieval.query is not None
    embedding = view_span(span(operation="embeddings", input_text=json.dumps(["a", "b"])))
    assert [text.content for text in embedding.texts] == ["a", "b"]
    tool = view_span(span(operation="execute_tool", tool_arguments='{"x": 1}', tool_result="done"))
    assert tool.content_label == "Call"
    assert tool.result is not None
    step = view_span(span(operation="task", input_text='{"x": 1}', output_text="plain"))
    assert step.input_json is not None
    assert step.output is not None
    assert step.output.content == "plain"
    assert not view_span(span(operation="task")).has_content


def test_long_texts_are_found_again_by_their_address():
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "long " * 10_000}]}])
    held = span(input_messages=messages, status_message="x/y")
    shown = view_span(held).inputs[0].blocks[0].passage
    assert shown is not None
    assert text_at(held, shown.path) == "long " * 10_000
    assert text_at(held, "status_message") == "x/y"
    for path in (
        "",
        "input_messages",
        "input_messages/9/parts",
        "attributes/x",
        "__class__",
        "input_messages/-1",
    ):
        assert text_at(held, path) is None


def test_the_json_view_unfolds_embedded_json():
    document = span_document(span(tool_result='{"a": 1}', output_messages="[]"))
    assert document["tool_result"] == {"a": 1}
    assert document["start"] == "2025-11-19T14:31:53.000000000Z"
    assert "output_messages" not in document


def outline_of(held: Span) -> SpanOutline:
    return SpanOutline(
        span_id=held.span_id,
        parent_span_id="",
        name=held.name,
        operation=held.operation,
        start_ns=held.start_ns,
        duration_ns=held.duration_ns,
        time_to_first_chunk_ns=None,
        status=held.status,
        service="",
        model="",
        input_tokens=None,
        output_tokens=None,
        cost_usd=None,
        cost_status="not_billable",
        is_billable=False,
    )


def test_calls_find_the_spans_that_ran_them():
    calls = [{"type": "tool_call", "id": f"c{n}", "name": "find", "arguments": {}} for n in (1, 2)]
    view = view_span(span(output_messages=json.dumps([{"role": "assistant", "parts": calls}])))
    tools = []
    for number, call_id in ((1, "c2"), (2, "c1")):
        tool = span(operation="execute_tool", name="execute_tool find", span_id=str(number) * 16)
        tool.start_ns, tool.end_ns = START + 3_000_000_000, START + 3_500_000_000
        tool.tool_call_id, tool.tool_result = call_id, f"result {call_id}"
        tools.append(tool)
    by_id = {tool.span_id: tool for tool in tools}
    find_results(view, [outline_of(tool) for tool in tools], by_id.get)
    first, second = view.outputs[0].blocks
    assert first.result is not None
    assert second.result is not None
    assert (first.result.content, second.result.content) == ("result c1", "result c2")
    assert first.result_href.endswith("2" * 16)
    assert first.result_note == "500\u00a0ms"
