"""Rows, facets, histogram and sessions as their templates draw them."""

from datetime import timezone
from decimal import Decimal

from spanwise_collector.model import FacetValue, HistogramBucket, Page, Span, TraceSummary
from spanwise_dashboards.format import Clock
from spanwise_dashboards.query import read_query
from spanwise_dashboards.session_view import exchange, session_view
from spanwise_dashboards.trace_list import facet_list, list_page, strip

NOW = 1_763_562_713_000_000_000
CLOCK = Clock(timezone.utc, NOW)
S = 1_000_000_000


def summary(number: int, **more: object) -> TraceSummary:
    held = {
        "trace_id": f"{number:032x}",
        "name": "invoke_workflow answer",
        "service": "shop",
        "environment": "",
        "operation": "invoke_workflow",
        "start_ns": NOW + number * 60 * S,
        "duration_ns": number * S,
        "status": "unset",
        "error_count": 0,
        "span_count": 3,
        "llm_call_count": 1,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_usd": Decimal("0.01") * number,
        "unpriced_count": 0,
        "is_estimated": False,
        "models": ["text-embedding-3-small", "gpt-4.1"],
        "user_id": "u",
        "conversation_id": "c",
        "tags": ["t"],
        "root_span_id": "r",
        "input_preview": '{"question": "Why?"}',
        "output_preview": "Because.",
        **more,
    }
    return TraceSummary(**held)  # type: ignore[arg-type]


def test_rows_scale_to_the_page_and_lead_on():
    query = read_query("/traces", {"status": "error"}, NOW)
    page = list_page(Page([summary(4), summary(1)], next_cursor="next"), query, CLOCK)
    assert [row.latency_share for row in page.rows] == [100.0, 25.0]
    assert (page.rows[0].name, page.rows[0].kind) == ("answer", "workflow")
    assert (page.rows[0].preview, page.rows[0].models) == ("Why?", "gpt-4.1 +1")
    assert page.next_url == "/traces?status=error&cursor=next&at=2"
    assert page.is_today
    assert not list_page(Page([summary(-2000)]), query, CLOCK).is_today
    assert "with these filters" in list_page(Page([]), query, CLOCK).reason


def test_facets_set_and_take_back_their_filter():
    query = read_query("/traces", {"status": "error"}, NOW)
    found = {
        "status": [FacetValue("error", 3), FacetValue("unset", 6)],
        "service": [FacetValue("", 2)],
        "odd": [],
    }
    (facet,) = facet_list(found, query)
    error, unset = facet.entries
    assert (error.is_selected, error.url, error.share) == (True, "/traces", 50.0)
    assert (unset.is_selected, unset.url) == (False, "/traces?status=unset")
    assert unset.label == "no error (unset)"


def test_the_histogram_draws_errors_on_top_and_says_its_step():
    buckets = [
        HistogramBucket(NOW + n * 1200 * S, count, errors)
        for n, (count, errors) in enumerate([(4, 0), (0, 0), (8, 8)])
    ]
    drawn = strip(buckets, read_query("/traces", {}, NOW), CLOCK)
    assert drawn is not None
    assert drawn.step == "20\u00a0min"
    assert drawn.ok_path.count("M") == 1  # the last bucket is all errors, the second empty
    assert drawn.error_path.count("M") == 1
    assert drawn.summary == "Traces per 20\u00a0min: 12 in all, 8 with errors"
    assert (drawn.from_ns, drawn.to_ns) == (NOW, NOW + 3600 * S)
    assert strip([], read_query("/traces", {}, NOW), CLOCK) is None


def spans() -> list[Span]:
    def make(operation: str, at: int, **more: object) -> Span:
        return Span(
            "default",
            "t",
            f"{at:016x}",
            operation,
            NOW + at * S,
            NOW + at * S + S,
            operation=operation,
            **more,
        )  # type: ignore[arg-type]

    asked = '[{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]'
    said = '[{"role": "assistant", "parts": [{"type": "text", "content": "Because."}]}]'
    return [
        make("invoke_agent", 0),
        make("chat", 1, input_messages=asked),
        make("execute_tool", 2, tool_name="find", status="error"),
        make("chat", 3, input_messages=asked, output_messages=said),
    ]


def test_an_exchange_is_question_tools_and_answer():
    held = exchange(spans())
    assert (held.question, held.answer) == ("Why?", "Because.")
    assert [(call.name, call.is_error) for call in held.calls] == [("find", True)]
    assert exchange([]).question == ""


def test_a_session_sums_all_and_shows_the_last():
    traces = [summary(n) for n in (1, 2, 3)]
    view = session_view(traces, [(trace, exchange(spans())) for trace in traces[1:]])
    assert (view.trace_count, view.hidden_count, len(view.turns)) == (3, 1, 2)
    assert (view.cost_usd, view.input_tokens, view.slowest) == (Decimal("0.06"), 30, 3)
    assert view.turns[0].number == 2
    assert view.turns[0].gap_ns == 59 * S  # from the end of the hidden turn
    assert view.chart is not None
    assert view.chart.summary == "Cost by turn in cents: 1.0, 2.0, 3.0"
    failed = session_view([summary(1, error_count=1)], [(summary(1, error_count=1), exchange([]))])
    assert failed.turns[0].answer is None
    assert failed.turns[0].question is not None
    assert failed.turns[0].question.content == "Why?"
    assert failed.chart is None
