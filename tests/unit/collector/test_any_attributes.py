"""Whatever a sender writes under whatever key: no span is lost, columns are of their type, JSON is JSON."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwise import redact
from spanwise_collector.ingest import normalise
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.cost import Pricer
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.model import Span
from spanwise_collector.store.columns import arrow_table

LEAVES = (
    "message.role",
    "message.content",
    "message.tool_calls.0.tool_call.function.arguments",
    "message.contents.1.message_content.text",
    "message.contents.0.message_content.image.image.url",
    "document.score",
    "document.metadata",
    "tool.json_schema",
    "embedding.vector",
    "role",
    "content",
    "tool_calls.3.name",
    "x..y",
)
FLAT_KEYS = [
    f"{prefix}.{index}.{leaf}" for prefix in normalise._FLAT for index in (0, 10, 2) for leaf in LEAVES
]
EVENTS = (
    "exception",
    "gen_ai.user.message",
    "gen_ai.tool.message",
    "gen_ai.choice",
    "gen_ai.content.prompt",
    "gen_ai.client.inference.operation.details",
    "db.query.result",
    "First Token Stream Event",
)
JSON_TEXTS = st.sampled_from(
    [
        "[]",
        "{}",
        "[1]",
        '[{"role":"user"}]',
        '[{"role":"user","parts":[{"type":"text"}]}]',
        '[{"role":null,"parts":["x",null,7]}]',
        '[{"content":[{"type":"image_url","image_url":{"url":7}}],"tool_calls":[{"function":7}]}]',
        '{"messages":[{"role":"a","content":{"b":NaN}}]}',
        '"\\ud83d"',
        '[{"role":"user","parts":[{"type":"text","content":"\\ud83d"}]}]',
        '[{"type":"tool_result","content":[1]}]',
        "[[[[",
        "__REDACTED__",
        "4111111111111111",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=30), JSON_TEXTS, st.sampled_from(["chat", "LLM", "TOOL", "CHAIN", "RETRIEVER"])
)
VALUES = st.recursive(
    st.one_of(
        TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=8), st.none()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["role", "content", "parts", "k"]), inner, max_size=3),
    ),
    max_leaves=5,
)
KEYS = st.sampled_from([*sorted(normalise._RULES), *FLAT_KEYS, "ordinary.key"])
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=12)
JSON_COLUMNS = ("input_messages", "output_messages", "tool_definitions", "documents")


@pytest.fixture(scope="module")
def scrubbing() -> Pipeline:
    return Pipeline(Pricer(), 90, redact.scrub)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ATTRIBUTES, st.lists(st.tuples(st.sampled_from(EVENTS), ATTRIBUTES), max_size=3))
def test_any_attributes_give_a_span_that_can_be_stored(
    scrubbing: Pipeline, make_span: Any, attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> None:
    span: Span = make_span(attributes, events=[(name, 5, dict(values)) for name, values in events])
    batch = scrubbing.process(Batch(spans=[span]))
    assert batch.rejected_count == 0, batch.message
    for column in JSON_COLUMNS:
        text = getattr(span, column)
        assert not text or isinstance(orjson.loads(text), list), column
    for message in json.loads(span.input_messages or "[]") + json.loads(span.output_messages or "[]"):
        assert isinstance(message["role"], str)
        assert all(isinstance(part["type"], str) for part in message["parts"])
    assert span.cost_usd is None or isinstance(span.cost_usd, Decimal)
    assert arrow_table([span]).num_rows == 1
    for key in attributes.keys() - span.attributes.keys():
        assert normalise.is_content_key(key), "only content may leave the attributes"
