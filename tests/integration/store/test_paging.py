"""Pages neither repeat nor skip a row, whatever ties and whatever arrives between them."""

import pytest

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import TraceFilter

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


def _all_pages(read, limit):
    found, cursor = [], None
    while True:
        page = read(limit, cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 25, 1000])
def test_pages_hold_every_trace_once_under_ties(store, project, new_span, limit):
    store.insert_spans([new_span(trace, 1, start_ns=10**18 + (trace // 10) * 10**9) for trace in range(25)])
    found = _all_pages(lambda n, c: store.list_traces(project, TraceFilter(), limit=n, cursor=c), limit)
    keys = [(trace.start_ns, trace.trace_id) for trace in found]
    assert keys == sorted(keys, reverse=True)
    assert sorted(trace.trace_id for trace in found) == [f"{trace:032x}" for trace in range(25)]


def test_pages_reach_over_every_look_back(store, project, new_span):
    ages = [0, 1, HOUR_NS // 2, 2 * HOUR_NS, 30 * HOUR_NS, 3 * DAY_NS, 29 * DAY_NS, 60 * DAY_NS, 900 * DAY_NS]
    now = 1_760_000_000 * 10**9
    spans = [new_span(index, 1, start_ns=now - age) for index, age in enumerate(ages)]
    # Each trace goes on an hour later, in another bucket of the key.
    spans += [new_span(index, 2, start_ns=now - age + HOUR_NS) for index, age in enumerate(ages)]
    store.insert_spans(spans)
    for where in (TraceFilter(), TraceFilter(name="span 2"), TraceFilter(to_ns=now + 1, name="span 2")):
        found = _all_pages(lambda n, c, w=where: store.list_traces(project, w, limit=n, cursor=c), 2)
        assert [trace.trace_id for trace in found] == [f"{index:032x}" for index in range(len(ages))]
        assert [trace.span_count for trace in found] == [2] * len(ages)


def test_a_trace_that_arrives_between_pages_shifts_nothing(store, project, new_span):
    store.insert_spans([new_span(trace, 1) for trace in range(1, 7)])
    first = store.list_traces(project, TraceFilter(), limit=3)
    store.insert_spans([new_span(50, 1), new_span(51, 1)])
    second = store.list_traces(project, TraceFilter(), limit=3, cursor=first.next_cursor)
    assert [trace.trace_id for trace in first.items + second.items] == [
        f"{n:032x}" for n in (6, 5, 4, 3, 2, 1)
    ]
    assert second.next_cursor is None


def test_many_long_traces_do_not_hide_a_short_one(store, project, new_span):
    """Traces that began long ago fill the newest hour; the one that began in it must still come first."""
    now = 1_760_000_000 * 10**9
    spans = [new_span(trace, 1, start_ns=now - 40 * DAY_NS + trace) for trace in range(1, 31)]
    spans += [new_span(trace, 2, start_ns=now - 60 * 10**9 + trace) for trace in range(1, 31)]
    spans += [new_span(99, 1, start_ns=now - 600 * 10**9)]
    store.insert_spans(spans)
    page = store.list_traces(project, TraceFilter(to_ns=now), limit=2)
    assert [trace.trace_id for trace in page.items] == [f"{99:032x}", f"{30:032x}"]


def test_session_pages_hold_every_session_once_under_ties(store, project, new_span):
    spans = [
        new_span(trace, 1, conversation_id=f"talk {trace % 12:02}", start_ns=10**18 + (trace % 3) * DAY_NS)
        for trace in range(36)
    ]
    store.insert_spans(spans)
    found = _all_pages(lambda n, c: store.list_sessions(project, TraceFilter(), limit=n, cursor=c), 5)
    assert sorted(session.conversation_id for session in found) == [f"talk {n:02}" for n in range(12)]
    assert [session.trace_count for session in found] == [3] * 12


@pytest.mark.parametrize("cursor", ["", "nonsense", "bm9uc2Vuc2U", "MXx4eA", "MTIzfCcpOyBkcm9w"])
def test_a_cursor_from_elsewhere_is_refused(store, project, cursor):
    with pytest.raises(BadRequest):
        store.list_traces(project, TraceFilter(), cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_refused(store, project, limit):
    with pytest.raises(BadRequest, match=str(limit)):
        store.list_traces(project, TraceFilter(), limit=limit)


def test_a_trace_is_read_in_pages(store, project, new_span):
    spans = [new_span(1, index, start_ns=10**18 + index // 4) for index in range(23)]
    store.insert_spans(spans)
    found, after = [], None
    while page := store.read_trace(project, spans[0].trace_id, limit=5, after=after):
        assert len(page) <= 5
        found += page
        after = page[-1].span_id
    assert found == sorted(spans, key=lambda span: (span.start_ns, span.span_id))
