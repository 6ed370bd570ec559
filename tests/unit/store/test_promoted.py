"""An attribute that a column repeats is stored once and read back as it was sent, type included."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwise_collector.model import Span
from spanwise_collector.store.attributes import attribute_columns
from spanwise_collector.store.columns import arrow_table
from spanwise_collector.store.promoted import restore
from spanwise_collector.store.rows import _attributes

TEXTS = ("gen_ai.request.model", "llm.model_name", "user.id", "gen_ai.response.id", "session.id")
COUNTS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
CLOCK = "gen_ai.response.time_to_first_chunk"
REASONS = "gen_ai.response.finish_reasons"
# Values that Python calls equal and OTLP does not: 1, 1.0 and True, "" and nothing.
ALIKE = st.sampled_from(["", "a", "b", 0, 1, 0.0, 1.0, True, False, None, [], ["stop"], 2**64])


def _span(attributes, **fields):
    return Span(
        project_id="p",
        trace_id="1" * 32,
        span_id="1" * 16,
        name="n",
        start_ns=1,
        end_ns=2,
        attributes=attributes,
        **fields,
    )


def _read_back(spans):
    columns = {name: column.to_pylist() for name, column in attribute_columns(spans).items()}
    promoted = columns.pop("promoted")
    rows = [_attributes(*map(dict, maps)) for maps in zip(*columns.values(), strict=True)]
    stored = [dict(row) for row in rows]
    fields = {name: [getattr(span, name) for span in spans] for name in Span.__slots__}
    restore(promoted, fields, rows)
    return rows, stored


def test_what_a_column_holds_is_not_stored_again():
    attributes = {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 12,
        CLOCK: 0.123456,
        REASONS: ["stop"],
        "gen_ai.request.stream": True,
        "server.port": 443,
    }
    span = _span(
        dict(attributes),
        request_model="gpt-4o",
        input_tokens=12,
        time_to_first_chunk_ns=123_456_000,
        finish_reasons=["stop"],
        is_stream=True,
    )
    rows, stored = _read_back([span])
    assert stored == [{"server.port": 443}]
    assert rows == [attributes]
    assert span.attributes == attributes  # a group that is refused is inserted again in halves


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"gen_ai.provider.name": "OpenAI"}, {"provider": "openai"}),
        ({"gen_ai.usage.input_tokens": 12.0}, {"input_tokens": 12}),
        ({"gen_ai.usage.input_tokens": True}, {"input_tokens": 1}),
        ({CLOCK: 0.1234567891}, {"time_to_first_chunk_ns": 123_456_789}),
        ({CLOCK: 1}, {"time_to_first_chunk_ns": 1_000_000_000}),
        ({REASONS: ["end_turn"]}, {"finish_reasons": ["stop"]}),
    ],
)
def test_what_differs_stays_raw(attributes, fields):
    other = {"user.id": "u", **attributes}
    rows, stored = _read_back([_span(other, user_id="u", **fields)])
    assert stored == [attributes]
    assert [repr(sorted(row.items())) for row in rows] == [repr(sorted(other.items()))]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from([*TEXTS, *COUNTS, CLOCK, REASONS, "other"]), ALIKE),
            st.fixed_dictionaries(
                {
                    "request_model": st.sampled_from(["", "a"]),
                    "user_id": st.sampled_from(["", "b"]),
                    "input_tokens": st.sampled_from([None, 0, 1]),
                    "time_to_first_chunk_ns": st.sampled_from([None, 0, 1_000_000_000]),
                    "finish_reasons": st.sampled_from([[], ["stop"]]),
                }
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_attributes_come_back(made):
    spans = [_span(dict(attributes), **fields) for attributes, fields in made]
    rows, _ = _read_back(spans)
    assert [repr(sorted(row.items())) for row in rows] == [
        repr(sorted(attributes.items())) for attributes, _ in made
    ]


def test_spans_with_and_without_promoted_attributes_make_one_table():
    table = arrow_table([_span({"user.id": "u"}, user_id="u"), _span({}), _span({"user.id": 7}, user_id="7")])
    assert table["promoted"].to_pylist() == ["user.id", "", ""]
    assert [dict(pairs) for pairs in table["attributes_int"].to_pylist()] == [{}, {}, {"user.id": 7}]
