"""Filters: which traces match, checked against a model in Python; hostile values are only values."""

import uuid
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import TraceFilter

HOUR_NS = 3600 * 10**9
BASE_NS = 1_750_000_000 * 10**9


def _ids(page):
    return [int(trace.trace_id, 16) for trace in page.items]


@pytest.fixture
def matching(store, project):
    return lambda **where: _ids(store.list_traces(project, TraceFilter(**where)))


def test_each_condition_finds_the_trace_that_meets_it(store, project, new_span, matching):
    plain = {
        "service": "bot",
        "environment": "prod",
        "name": "ask",
        "operation": "chat",
        "provider": "openai",
        "user_id": "ann",
        "conversation_id": "talk",
        "prompt_name": "greet",
    }
    store.insert_spans(
        [
            new_span(1, 1, **plain, tags=["x"], request_model="gpt-4o", status="error"),
            new_span(2, 1),
            new_span(3, 1, request_model="gpt-4o", response_model="gpt-4o-2024-08-06"),
        ]
    )
    for name, value in plain.items():
        assert matching(**{name: value}) == [1], name
    assert matching(tag="x") == [1]
    assert matching(status="error") == [1]
    assert matching(model="gpt-4o") == [1]
    assert matching(model="gpt-4o-2024-08-06") == [3]
    assert matching() == [3, 2, 1]


def test_a_condition_may_hold_on_any_span_and_those_of_a_call_hold_together(
    store, project, new_span, matching
):
    store.insert_spans(
        [
            new_span(1, 1, user_id="ann"),
            new_span(1, 2, operation="chat", request_model="small"),
            new_span(1, 3, operation="embeddings", request_model="large"),
        ]
    )
    assert matching(user_id="ann", model="small") == [1]
    assert matching(operation="chat", model="small") == [1]
    assert matching(operation="chat", model="large") == []


def test_the_status_is_the_one_the_list_shows(store, project, new_span, matching):
    store.insert_spans(
        [
            new_span(1, 1, status="ok"),
            new_span(1, 2, parent_span_id=f"{1:08x}{1:08x}", status="error"),
            new_span(2, 1, status="ok"),
            new_span(2, 2, parent_span_id=f"{2:08x}{1:08x}", status="unset"),
            new_span(3, 1),
        ]
    )
    shown = {int(t.trace_id, 16): t.status for t in store.list_traces(project, TraceFilter()).items}
    assert shown == {1: "error", 2: "ok", 3: "unset"}
    for trace, status in shown.items():
        assert matching(status=status) == [trace]
    counts = {item.value: item.count for item in store.facets(project, TraceFilter())["status"]}
    assert counts == {"error": 1, "ok": 1, "unset": 1}


def test_text_is_found_in_every_text_and_in_any_case(store, project, new_span, matching):
    texts = (
        "input_messages",
        "output_messages",
        "input_text",
        "output_text",
        "tool_arguments",
        "tool_result",
    )
    texts += ("documents", "status_message", "name", "user_id", "conversation_id")
    store.insert_spans([new_span(n, 1, **{name: "über STRASSE 東京"}) for n, name in enumerate(texts, 1)])
    everything = list(range(len(texts), 0, -1))
    assert matching(q="ÜBER strasse") == everything
    assert matching(q="東京") == everything
    assert matching(q="no such text") == []
    assert matching(q=f"{3:032x}") == [3]
    assert matching(q=f"{3:08x}{1:08x}".upper()) == [3]
    assert matching(q="100%_") == []


def test_amounts_are_those_of_the_whole_trace(store, project, new_span, matching):
    billed = {"is_billable": True, "cost_status": "priced"}
    store.insert_spans(
        [
            new_span(1, 1, start_ns=BASE_NS, end_ns=BASE_NS + 10**6, **billed, cost_usd=Decimal("0.1")),
            new_span(
                1,
                2,
                start_ns=BASE_NS + 3 * 10**9,
                end_ns=BASE_NS + 4 * 10**9,
                **billed,
                cost_usd=Decimal("0.2"),
            ),
            new_span(2, 1, cost_usd=Decimal(5), is_billable=False),
            new_span(3, 1, is_billable=True, cost_status="unpriced"),
        ]
    )
    assert matching(min_cost_usd=0.3) == [1]
    assert matching(min_cost_usd=0.300001) == []
    assert matching(min_duration_ms=4000) == [1]
    assert matching(min_duration_ms=4000.000001) == []
    assert matching(max_duration_ms=3999.9) == [3, 2]
    assert matching(is_unpriced=True) == [3]
    assert matching(is_unpriced=False) == [1, 2] or matching(is_unpriced=False) == [2, 1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_an_amount_that_is_no_amount_is_refused(store, project, value):
    with pytest.raises(BadRequest, match="min_cost_usd"):
        store.list_traces(project, TraceFilter(min_cost_usd=value))


def test_times_bound_the_start_of_the_trace_and_keep_all_of_it(store, project, new_span):
    store.insert_spans(
        [
            new_span(1, 1, start_ns=BASE_NS),
            new_span(1, 2, start_ns=BASE_NS + 2 * HOUR_NS, operation="chat", tags=["late"]),
            new_span(2, 1, start_ns=BASE_NS + HOUR_NS),
        ]
    )
    early = TraceFilter(from_ns=BASE_NS, to_ns=BASE_NS + HOUR_NS)
    late = TraceFilter(from_ns=BASE_NS + 1)
    assert _ids(store.list_traces(project, early)) == [1]
    assert _ids(store.list_traces(project, late)) == [2]
    assert store.trace_totals(project, early).span_count == 2
    assert store.trace_totals(project, late).span_count == 1
    assert [value.value for value in store.facets(project, early)["operation"]] == ["chat"]
    assert store.facets(project, late)["operation"] == []
    assert sum(bucket.trace_count for bucket in store.trace_histogram(project, late)) == 1
    chat = TraceFilter(from_ns=BASE_NS, to_ns=BASE_NS + HOUR_NS, operation="chat", tag="late")
    assert _ids(store.list_traces(project, chat)) == [1]
    assert store.trace_totals(project, chat).trace_count == 1


HOSTILE = (
    "'",
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "'); DROP TABLE spans; --",
    "{project_id:String}",
    "${bounds}",
    "%s %(q)s",
    "\x00",
    "\n\t\\N",
    "🙂\u202e",
    "a" * 5000,
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_is_only_a_value(store, project, new_span, hostile):
    names = (
        "service",
        "environment",
        "name",
        "operation",
        "provider",
        "user_id",
        "conversation_id",
        "prompt_name",
    )
    store.insert_spans([new_span(1, 1, **dict.fromkeys(names, "plain"), status="ok", tags=["plain"])])
    for name in (*names, "model", "status", "tag", "q"):
        where = TraceFilter(**{name: hostile})
        assert store.list_traces(project, where).items == [], name
    store.insert_spans(
        [new_span(2, 1, **dict.fromkeys(names, hostile), tags=[hostile], request_model=hostile)]
    )
    where = TraceFilter(**dict.fromkeys((*names, "model", "tag", "q"), hostile))
    assert _ids(store.list_traces(project, where)) == [2]
    assert store.trace_totals(project, where).trace_count == 1
    assert [value.value for value in store.facets(project, where)["tag"]] == [hostile]
    assert store.read_session(project, hostile)[0].trace_id == f"{2:032x}"
    assert store.list_traces(hostile, TraceFilter()).items == []
    assert store.read_trace(hostile, f"{1:032x}") == []


def test_an_id_that_is_no_id_is_refused(store, project):
    for hostile in ("", "' OR 1=1", "g" * 32, "1" * 31, "\uff11" * 32):
        with pytest.raises(BadRequest):
            store.read_trace(project, hostile)
        with pytest.raises(BadRequest):
            store.read_span(project, "1" * 32, hostile)


# A small world: few values, so that conditions meet and miss each other.
_WORDS = st.sampled_from(["", "red", "blue", "green"])
_SPANS = st.fixed_dictionaries(
    {
        "start": st.integers(0, 5).map(lambda n: BASE_NS + n * HOUR_NS // 2),
        "service": _WORDS,
        "user_id": _WORDS,
        "request_model": _WORDS,
        "operation": _WORDS,
        "tags": st.lists(st.sampled_from(["red", "blue"]), max_size=2),
        "input_text": _WORDS,
        "status": st.sampled_from(["unset", "ok", "error"]),
    }
)
_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "service": _WORDS,
        "user_id": _WORDS,
        "model": _WORDS,
        "operation": _WORDS,
        "tag": _WORDS,
        "q": st.sampled_from(["RE", "een", "lu"]),
        "status": st.just("error"),
        "from_ns": st.integers(0, 5).map(lambda n: BASE_NS + n * HOUR_NS // 2),
        "to_ns": st.integers(0, 5).map(lambda n: BASE_NS + n * HOUR_NS // 2),
    },
)


def _expected(traces, where):
    return sorted(number for number, spans in traces.items() if _matches(spans, where))


def _matches(spans, where):
    start = min(span["start"] for span in spans)
    given = {name: value for name, value in where.items() if value != ""}
    call = {"model": "request_model", "operation": "operation"}
    call_given = [name for name in call if name in given]
    return (
        start >= given.get("from_ns", start)
        and start < given.get("to_ns", start + 1)
        and all(
            any(span[name] == given[name] for span in spans)
            for name in ("service", "user_id")
            if name in given
        )
        and ("tag" not in given or any(given["tag"] in span["tags"] for span in spans))
        and ("status" not in given or any(span["status"] == "error" for span in spans))
        and (
            "q" not in given or any(given["q"].lower() in f"{s['input_text']} {s['user_id']}" for s in spans)
        )
        and (not call_given or any(all(span[call[n]] == given[n] for n in call_given) for span in spans))
    )


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],  # each example asks an engine some twenty times: report the first, do not shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    world=st.lists(st.lists(_SPANS, min_size=1, max_size=4), min_size=1, max_size=8),
    filters=st.lists(_FILTERS, min_size=1, max_size=4),
)
def test_every_method_agrees_with_the_model(store, project, new_span, world, filters):
    own = f"{project}-{uuid.uuid4()}"
    traces = dict(enumerate(world, 1))
    store.insert_spans(
        [
            new_span(
                number,
                index,
                project_id=own,
                name="n",
                start_ns=span["start"],
                **{k: v for k, v in span.items() if k != "start"},
            )
            for number, spans in traces.items()
            for index, span in enumerate(spans, 1)
        ]
    )
    for condition in filters:
        where = TraceFilter(**condition)
        expected = _expected(traces, condition)
        assert sorted(_ids(store.list_traces(own, where))) == expected
        totals = store.trace_totals(own, where)
        assert totals.trace_count == len(expected)
        assert totals.span_count == sum(len(traces[number]) for number in expected)
        assert sum(bucket.trace_count for bucket in store.trace_histogram(own, where)) == len(expected)
