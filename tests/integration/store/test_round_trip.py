"""What is read is what was inserted, whatever it holds; what cannot be held is refused by name."""

import math
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwise_collector.model import SpanEvent, SpanLink, TraceFilter
from spanwise_collector.store import PoisonError

ANYTHING = {
    "empty string": "",
    "text": "naïve \u202eright to left\u202c 🙂 \x00 nul \\N ' \" { } %s",
    "beyond 2^53": 2**53 + 1,
    "smallest": -(2**63),
    "largest": 2**63 - 1,
    "beyond int64": 2**70,
    "float that is whole": 3.0,
    "tiny": 5e-324,
    "infinite": math.inf,
    "true": True,
    "false": False,
    "bytes": b"\x00\xff\xfe",
    "no bytes": b"",
    "empty": None,
    "no list": [],
    "no map": {},
    "mixed list": ["a", 1, 2.5, True, None, b"\x01", ["b"], {"c": {"d": b"\x02"}}],
    "looks like a tag": {"$bytes": "not base64"},
    "looks like two": {"$map": {"$float": "x"}, "$bytes": 1},
    "": "empty key",
    "k.with'quote": "v",
}


def test_a_span_with_everything_comes_back_unchanged(store, project, new_span):
    span = new_span(
        1,
        1,
        parent_span_id="00000000000000aa",
        trace_state="ot=th:8",
        flags=0x301,
        kind="client",
        status="error",
        status_message="it broke",
        scope_name="scope",
        scope_version="1.2",
        attributes=dict(ANYTHING),
        resource=dict(ANYTHING),
        scope_attributes=dict(ANYTHING),
        resource_schema_url="https://example.org/r",
        scope_schema_url="https://example.org/s",
        events=[SpanEvent("exception", 5, dict(ANYTHING)), SpanEvent("empty", 0, {})],
        links=[SpanLink("ab" * 16, "cd" * 8, "a=b", dict(ANYTHING)), SpanLink("", "", "", {})],
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=2**32 - 1,
        service="svc",
        service_version="1",
        environment="test",
        dialect="otel_genai",
        operation="chat",
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        response_id="r-1",
        conversation_id="c'1",
        user_id="u\\1",
        agent_name="agent",
        workflow_name="flow",
        tool_name="tool",
        tool_call_id="call",
        prompt_name="prompt",
        prompt_version="3",
        tags=["a", "", "a"],
        error_type="ValueError",
        finish_reasons=["stop", "length"],
        is_stream=True,
        time_to_first_chunk_ns=0,
        input_tokens=2**62,
        output_tokens=0,
        cached_input_tokens=1,
        cache_write_input_tokens=2,
        reasoning_output_tokens=3,
        input_messages='[{"role":"user"}]',
        output_messages='[{"role":"assist',
        tool_definitions="[]",
        tool_arguments="{}",
        tool_result="r",
        documents="[]",
        input_text="in",
        output_text="out",
        warnings=["w"],
        normaliser_version=7,
        sample_weight=4.0,
        is_billable=True,
        cost_usd=Decimal("0.000000000001"),
        reported_cost_usd=Decimal("123456.123456789012"),
        cost_status="priced",
        price_source="genai-prices",
    )
    store.insert_spans([span])
    assert store.read_trace(project, span.trace_id) == [span]
    assert store.read_span(project, span.trace_id, span.span_id) == span


def test_types_survive_too(store, project, new_span):
    span = new_span(1, 1, attributes={"int": 1, "float": 1.0, "bool": True, "text": "1"})
    store.insert_spans([span])
    found = store.read_trace(project, span.trace_id)[0].attributes
    assert {key: type(value) for key, value in found.items()} == {
        "int": int,
        "float": float,
        "bool": bool,
        "text": str,
    }


def test_nan_survives(store, project, new_span):
    span = new_span(1, 1, attributes={"nan": math.nan, "nested": [math.nan, -math.inf]})
    store.insert_spans([span])
    found = store.read_trace(project, span.trace_id)[0].attributes
    assert math.isnan(found["nan"])
    assert math.isnan(found["nested"][0])
    assert found["nested"][1] == -math.inf


@pytest.mark.parametrize("times", [(0, 0), (10**18, 5), (10**18, 0)], ids=["zero", "backwards", "not ended"])
def test_odd_times_are_kept(store, project, new_span, times):
    span = new_span(1, 1, start_ns=times[0], end_ns=times[1])
    store.insert_spans([span])
    assert store.read_trace(project, span.trace_id) == [span]
    assert store.read_outline(project, span.trace_id)[0].duration_ns == 0
    assert store.list_traces(project, TraceFilter()).items[0].duration_ns == 0


def test_two_megabytes_of_text_survive(store, project, new_span):
    text = "<script>alert(1)</script>\u202e" * 80_000
    span = new_span(1, 1, input_messages=text)
    store.insert_spans([span])
    assert store.read_trace(project, span.trace_id)[0].input_messages == text


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(st.dictionaries(st.text(), _VALUES, max_size=6), min_size=1, max_size=5))
def test_any_attributes_come_back(store, project, new_span, batch):
    spans = [
        new_span(1, index, attributes=attributes, resource=attributes)
        for index, attributes in enumerate(batch)
    ]
    store.insert_spans(spans)
    found = store.read_trace(project, spans[0].trace_id)[: len(batch)]
    assert [(span.attributes, span.resource) for span in found] == [(item, item) for item in batch]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"trace_id": "abc"}, "trace_id"),
        ({"span_id": "zz" * 8}, "span_id"),
        ({"start_ns": 2**63}, "start"),
        ({"name": "broken \ud800"}, "name"),
        ({"attributes": {"k": "broken \udfff"}}, "attributes"),
        ({"attributes": {"k": object()}}, "attributes"),
        ({"input_tokens": 2**63}, "input_tokens"),
        ({"flags": -1}, "flags"),
        ({"cost_usd": Decimal(10) ** 9}, "cost_usd"),
    ],
)
def test_poison_is_refused_by_name_and_stores_nothing(store, project, new_span, fields, named):
    with pytest.raises(PoisonError, match=named):
        store.insert_spans([new_span(1, 1), new_span(1, 2, **fields)])
    assert store.read_trace(project, f"{1:032x}") == []


def test_an_empty_batch_is_nothing(store, project):
    store.insert_spans([])
    assert store.list_traces(project, TraceFilter()).items == []
