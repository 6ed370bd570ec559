"""What is sent twice counts once in every number, whether the engine has merged or not."""

import copy
from dataclasses import replace
from decimal import Decimal

import pytest

from spanwise_collector.model import TraceFilter

HOUR_NS = 3600 * 10**9


@pytest.fixture
def unmerged(store):
    """The store with its merges stopped: duplicates stay on disk side by side."""
    for table in ("spans", "trace_times"):
        store._engine.command(f"SYSTEM STOP MERGES {table}", "test")
    yield store
    for table in ("spans", "trace_times"):
        store._engine.command(f"SYSTEM START MERGES {table}", "test")


@pytest.fixture
def batch(new_span):
    """Three traces of two conversations, with a child in the next hour and everything that is summed."""
    spans = []
    for trace in (1, 2, 3):
        root = new_span(trace, 1, name="ask", user_id=f"user {trace}", conversation_id=f"talk {trace % 2}")
        call = new_span(
            trace,
            2,
            parent_span_id=root.span_id,
            start_ns=root.start_ns + HOUR_NS,
            end_ns=root.start_ns + HOUR_NS + 10**9,
            operation="chat",
            provider="openai",
            request_model="gpt-4o",
            service="bot",
            environment="production",
            prompt_name="greet",
            tags=["a", "b"],
            status="error" if trace == 2 else "ok",
            is_billable=True,
            input_tokens=100,
            output_tokens=10,
            cached_input_tokens=5,
            reasoning_output_tokens=2,
            cost_usd=Decimal("0.5") if trace != 3 else None,
            cost_status="priced" if trace != 3 else "unpriced",
            input_messages='[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
            output_messages='[{"role":"assistant","parts":[{"type":"text","content":"hello"}]}]',
        )
        spans += [root, call]
    return spans


def _into(project, spans):
    return [replace(copy.deepcopy(span), project_id=project) for span in spans]


def _answers(store, project):
    """Every number of every method, but for the attributes."""
    everything = TraceFilter()
    traces = store.list_traces(project, everything)
    return {
        "list": traces,
        "filtered": store.list_traces(project, TraceFilter(model="gpt-4o", status="error", tag="a", q="HI")),
        "priced": store.list_traces(project, TraceFilter(min_cost_usd=0.5)),
        "totals": store.trace_totals(project, everything),
        "totals of some": store.trace_totals(project, TraceFilter(service="bot", is_unpriced=False)),
        "histogram": store.trace_histogram(project, everything),
        "facets": store.facets(project, everything),
        "facets of some": store.facets(project, TraceFilter(user_id="user 1")),
        "sessions": store.list_sessions(project, everything),
        "session": store.read_session(project, "talk 1"),
        "outline": [store.read_outline(project, trace.trace_id) for trace in traces.items],
        "spans": [len(store.read_trace(project, trace.trace_id)) for trace in traces.items],
        "pages": [len(store.read_trace(project, traces.items[0].trace_id, limit=1))],
    }


def test_a_batch_sent_three_times_answers_like_one_sent_once(unmerged, project, batch):
    once, thrice = f"{project}-once", f"{project}-thrice"
    unmerged.insert_spans(_into(once, batch))

    unmerged.insert_spans(_into(thrice, batch))
    unmerged.insert_spans(_into(thrice, batch))
    changed = _into(thrice, batch)
    for span in changed:
        span.attributes["changed"] = "yes"
        span.received_ns += 10**9
    unmerged.insert_spans(changed)

    assert _answers(unmerged, thrice) == _answers(unmerged, once)
    assert unmerged.trace_totals(thrice, TraceFilter()).span_count == 6
    found = unmerged.read_trace(thrice, batch[0].trace_id)
    assert [span.attributes for span in found] == [{"changed": "yes"}] * 2


def test_duplicates_within_one_batch_count_once(unmerged, project, batch):
    once, twice = f"{project}-once", f"{project}-twice"
    unmerged.insert_spans(_into(once, batch))
    unmerged.insert_spans(_into(twice, batch) + _into(twice, batch))
    assert _answers(unmerged, twice) == _answers(unmerged, once)


def test_the_answers_do_not_change_when_the_engine_merges(store, project, batch):
    for _ in range(3):
        store.insert_spans(batch)
    before = _answers(store, project)
    store._engine.command("OPTIMIZE TABLE spans FINAL", "test")
    store._engine.command("OPTIMIZE TABLE trace_times FINAL", "test")
    assert _answers(store, project) == before


def test_a_later_version_of_a_span_wins_in_any_order(unmerged, project, new_span):
    early = new_span(1, 1, name="early", received_ns=10**18)
    late = new_span(1, 1, name="late", received_ns=10**18 + 10_000)
    unmerged.insert_spans([late])
    unmerged.insert_spans([early])
    assert [span.name for span in unmerged.read_trace(project, early.trace_id)] == ["late"]


def test_an_ended_span_wins_over_a_later_pending_one(unmerged, project, new_span):
    ended = new_span(1, 1, name="ended", received_ns=10**18)
    pending = new_span(1, 1, name="pending", end_ns=0, received_ns=2 * 10**18)
    unmerged.insert_spans([ended, pending])
    assert [span.name for span in unmerged.read_trace(project, ended.trace_id)] == ["ended"]


def test_a_newer_normaliser_wins_over_a_later_arrival(unmerged, project, new_span):
    better = new_span(1, 1, name="better", normaliser_version=2, received_ns=10**18)
    unmerged.insert_spans([better])
    unmerged.insert_spans([new_span(1, 1, name="resent", normaliser_version=1, received_ns=2 * 10**18)])
    assert [span.name for span in unmerged.read_trace(project, better.trace_id)] == ["better"]


def test_a_value_that_was_replaced_no_longer_matches(unmerged, project, new_span):
    unmerged.insert_spans([new_span(1, 1, user_id="before", received_ns=10**18)])
    unmerged.insert_spans([new_span(1, 1, user_id="after", received_ns=10**18 + 10**6)])
    assert unmerged.list_traces(project, TraceFilter(user_id="before")).items == []
    assert len(unmerged.list_traces(project, TraceFilter(user_id="after")).items) == 1
    assert [value.value for value in unmerged.facets(project, TraceFilter())["user_id"]] == ["after"]
