"""What a row of a list says: root, sums over what is billable, previews; sessions; facets; the axis."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import FacetValue, TraceFilter

HOUR_NS = 3600 * 10**9
BASE_NS = 1_750_000_000 * 10**9
BILLED = {"is_billable": True, "cost_status": "priced"}


def _messages(role, text):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


@pytest.fixture
def only(store, project):
    def summarise():
        (trace,) = store.list_traces(project, TraceFilter()).items
        return trace

    return summarise


def test_the_root_is_the_earliest_span_whose_parent_is_not_stored(store, new_span, only):
    root, child, orphan = (f"{1:08x}{n:08x}" for n in (1, 2, 3))
    store.insert_spans(
        [
            new_span(1, 2, name="child", parent_span_id=root, start_ns=BASE_NS),
            new_span(1, 1, name="root", start_ns=BASE_NS + 5, status="ok"),
            new_span(1, 3, name="orphan", parent_span_id="f" * 16, start_ns=BASE_NS + 9),
            new_span(1, 4, name="grandchild", parent_span_id=child, start_ns=BASE_NS + 2),
        ]
    )
    assert (only().name, only().root_span_id, only().status) == ("root", root, "ok")
    assert only().start_ns == BASE_NS
    assert orphan != root


def test_a_trace_of_orphans_has_the_earliest_as_root(store, new_span, only):
    store.insert_spans([new_span(1, n, name=f"orphan {n}", parent_span_id="f" * 16) for n in (2, 1, 3)])
    assert only().name == "orphan 1"


def test_a_ring_of_parents_has_the_earliest_as_root(store, new_span, only):
    first, second = f"{1:08x}{1:08x}", f"{1:08x}{2:08x}"
    store.insert_spans([new_span(1, 1, parent_span_id=second), new_span(1, 2, parent_span_id=first)])
    assert only().root_span_id == first


def test_a_root_that_arrives_late_takes_over(store, new_span, only):
    root = f"{1:08x}{1:08x}"
    store.insert_spans([new_span(1, 2, name="child", parent_span_id=root)])
    assert only().name == "child"
    store.insert_spans([new_span(1, 1, name="root")])
    assert only().name == "root"


def test_sums_are_over_billable_spans_and_unknown_is_not_zero(store, project, new_span, only):
    store.insert_spans(
        [
            new_span(1, 1, operation="invoke_agent", input_tokens=500, output_tokens=50, cost_usd=Decimal(9)),
            new_span(1, 2, operation="chat", **BILLED, input_tokens=100, cost_usd=Decimal("0.1")),
            new_span(1, 3, operation="embeddings", is_billable=True, cost_status="unpriced", input_tokens=7),
        ]
    )
    trace = only()
    assert (trace.input_tokens, trace.output_tokens, trace.cost_usd) == (107, None, Decimal("0.1"))
    assert (trace.span_count, trace.llm_call_count, trace.unpriced_count) == (3, 1, 1)
    assert trace.is_estimated is False
    totals = store.trace_totals(project, TraceFilter())
    assert (totals.input_tokens, totals.output_tokens, totals.cost_usd) == (107, 0, Decimal("0.1"))


def test_a_sampled_span_stands_for_as_many_as_its_weight_says(store, project, new_span, only):
    store.insert_spans(
        [
            new_span(1, 1, **BILLED, sample_weight=8.0, input_tokens=100, cost_usd=Decimal("0.25")),
            new_span(1, 2, **BILLED, input_tokens=1, cost_usd=Decimal("0.5")),
        ]
    )
    assert (only().input_tokens, only().cost_usd, only().is_estimated) == (801, Decimal("2.5"), True)
    totals = store.trace_totals(project, TraceFilter())
    assert (totals.input_tokens, totals.cost_usd, totals.is_estimated) == (801, Decimal("2.5"), True)


def test_thousands_of_small_costs_add_up_exactly(store, project, new_span):
    store.insert_spans([new_span(1, n, **BILLED, cost_usd=Decimal("0.000000000001")) for n in range(5000)])
    assert store.trace_totals(project, TraceFilter()).cost_usd == Decimal("0.000000005")


def test_an_empty_project_has_empty_answers(store, project):
    everything = TraceFilter()
    assert store.list_traces(project, everything).items == []
    assert store.trace_histogram(project, everything) == []
    assert store.trace_totals(project, everything).trace_count == 0
    assert store.trace_totals(project, everything).cost_usd == 0
    assert set(map(len, store.facets(project, everything).values())) == {0}
    assert store.list_sessions(project, everything).items == []
    assert store.read_session(project, "none") == []
    assert store.read_outline(project, "1" * 32) == []
    assert store.read_span(project, "1" * 32, "2" * 16) is None


def test_projects_do_not_see_each_other(store, project, new_span):
    store.insert_spans(
        [new_span(1, 1, service="mine"), new_span(1, 1, service="theirs", project_id=f"{project}-b")]
    )
    assert [span.service for span in store.read_trace(project, f"{1:032x}")] == ["mine"]
    assert store.facets(project, TraceFilter())["service"] == [FacetValue("mine", 1)]


def test_previews_come_from_the_root_or_else_from_the_calls(store, new_span, only):
    root = f"{1:08x}{1:08x}"
    asked, answered = _messages("user", "question"), _messages("assistant", "answer")
    store.insert_spans(
        [
            new_span(1, 1, name="agent"),
            new_span(1, 2, parent_span_id=root, operation="chat", input_messages=asked),
            new_span(1, 3, parent_span_id=root, operation="chat", output_messages=answered),
        ]
    )
    assert (only().input_preview, only().output_preview) == ("question", "answer")
    store.insert_spans([new_span(1, 1, name="agent", input_text="asked", received_ns=2 * 10**18)])
    assert (only().input_preview, only().output_preview) == ("asked", "answer")


def test_a_preview_of_two_megabytes_is_short(store, new_span, only):
    store.insert_spans(
        [new_span(1, 1, operation="chat", input_messages=_messages("user", "word " * 400_000))]
    )
    assert 100 < len(only().input_preview) <= 200


def test_a_session_sums_all_spans_of_its_traces(store, project, new_span):
    store.insert_spans(
        [
            new_span(1, 1, conversation_id="talk", user_id="ann", input_text="first question"),
            new_span(1, 2, parent_span_id=f"{1:08x}{1:08x}", **BILLED, input_tokens=5, request_model="m"),
            new_span(2, 1, conversation_id="talk", user_id="ben", output_text="last answer", status="error"),
            new_span(3, 1, conversation_id="other"),
        ]
    )
    other, talk = sorted(
        store.list_sessions(project, TraceFilter()).items, key=lambda session: session.conversation_id
    )
    assert (other.trace_count, other.error_count) == (1, 0)
    assert (talk.trace_count, talk.error_count, talk.input_tokens, talk.models) == (2, 1, 5, ["m"])
    assert talk.user_ids == ["ann", "ben"]
    assert (talk.input_preview, talk.output_preview) == ("first question", "last answer")
    assert [trace.trace_id for trace in store.read_session(project, "talk")] == [f"{1:032x}", f"{2:032x}"]
    found = store.list_sessions(project, TraceFilter(user_id="ben")).items
    assert [(session.conversation_id, session.trace_count) for session in found] == [("talk", 2)]


def test_a_facet_obeys_all_conditions_but_its_own(store, project, new_span):
    store.insert_spans(
        [
            new_span(1, 1, service="a", environment="prod", tags=["x", "y"]),
            new_span(2, 1, service="a", environment="test"),
            new_span(3, 1, service="b", environment="prod", tags=["x"]),
        ]
    )
    everything = store.facets(project, TraceFilter())
    assert everything["service"] == [FacetValue("a", 2), FacetValue("b", 1)]
    assert everything["tag"] == [FacetValue("x", 2), FacetValue("y", 1)]
    assert everything["user_id"] == []
    of_a = store.facets(project, TraceFilter(service="a"))
    assert of_a["service"] == [FacetValue("a", 2), FacetValue("b", 1)]
    assert of_a["environment"] == [FacetValue("prod", 1), FacetValue("test", 1)]
    assert of_a["tag"] == [FacetValue("x", 1), FacetValue("y", 1)]
    assert store.facets(project, TraceFilter(), limit=1)["service"] == [FacetValue("a", 2)]


def test_the_histogram_has_every_bucket_at_round_times(store, project, new_span):
    store.insert_spans([new_span(n, 1, start_ns=BASE_NS + n * HOUR_NS) for n in (1, 2, 2 + 24)])
    store.insert_spans([new_span(1, 2, start_ns=BASE_NS + HOUR_NS, status="error")])
    where = TraceFilter(from_ns=BASE_NS, to_ns=BASE_NS + 48 * HOUR_NS)
    buckets = store.trace_histogram(project, where, buckets=48)
    widths = {later.start_ns - former.start_ns for former, later in pairwise(buckets)}
    assert widths == {2 * HOUR_NS} or widths == {HOUR_NS}
    assert buckets[0].start_ns <= BASE_NS < buckets[0].start_ns + 2 * HOUR_NS
    assert buckets[0].start_ns % HOUR_NS == 0
    assert sum(bucket.trace_count for bucket in buckets) == 3
    assert sum(bucket.error_count for bucket in buckets) == 1
    with pytest.raises(BadRequest, match="buckets is 0"):
        store.trace_histogram(project, where, buckets=0)
