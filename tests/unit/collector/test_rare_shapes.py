"""Shapes that senders write now and then: each was found by a fault that no other test noticed."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spanwise_collector.ingest.prices import Price, PriceTable, Rate, Tokens
from spanwise_collector.model import Span

Ingest = Callable[..., Span]
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
USER = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def test_every_field_of_a_document(ingest: Ingest) -> None:
    values: dict[str, Any] = {
        "id": "d1",
        "score": 0.5,
        "content": "Paris",
        "metadata": "{}",
        "url": "https://a.test/",
        "mime_type": "text/plain",
        "name": "a.txt",
    }
    sent = {f"retrieval.documents.0.document.{name}": value for name, value in values.items()}
    span = ingest({"openinference.span.kind": "RETRIEVER", **sent})
    assert json.loads(span.documents) == [{**values, "metadata": {}}]


@pytest.mark.parametrize(
    ("given", "provider"), [("Azure OpenAI", "azure.ai.openai"), ("Acme Corp", "acmecorp"), ("  ", "")]
)
def test_provider_names_are_compared_without_spaces(given: str, provider: str, ingest: Ingest) -> None:
    assert ingest({"gen_ai.operation.name": "chat", "gen_ai.system": given}).provider == provider


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("Be brief.", [{"type": "text", "content": "Be brief."}]),
        ('[{"type":"text","content":"Be brief."}]', [{"type": "text", "content": "Be brief."}]),
        ('{"type":"text","content":"Be brief."}', [{"type": "text", "content": "Be brief."}]),
        (["Be", "brief."], [{"type": "text", "content": "Be"}, {"type": "text", "content": "brief."}]),
    ],
)
def test_system_instructions_in_any_form(given: Any, parts: Any, ingest: Ingest) -> None:
    span = ingest({**CHAT, "gen_ai.system_instructions": given})
    assert json.loads(span.input_messages) == [{"role": "system", "parts": parts}]


def test_system_instructions_that_say_nothing_or_cannot_be_read(ingest: Ingest) -> None:
    cut = ingest({**CHAT, "gen_ai.system_instructions": '[{"type":"te'})
    assert ingest({**CHAT, "gen_ai.system_instructions": ""}).input_messages == ""
    assert ingest({**CHAT, "gen_ai.system_instructions": "[]"}).input_messages == ""
    assert (cut.input_messages, cut.warnings) == ("", ["unreadable:gen_ai.system_instructions"])


def test_current_messages_win_over_flattened_ones_which_stay(ingest: Ingest) -> None:
    span = ingest(
        {**CHAT, "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "old"}
        | {"gen_ai.input.messages": json.dumps(USER)}
    )
    assert json.loads(span.input_messages) == USER
    assert span.attributes["gen_ai.prompt.0.content"] == "old"


def test_roles_are_the_senders_own(ingest: Ingest) -> None:
    span = ingest(
        {
            **CHAT,
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "brief",
            "gen_ai.completion.0.role": "critic",
            "gen_ai.completion.0.content": "no",
            "llm.request.functions.0.description": "nameless",
        },
    )
    assert [message["role"] for message in json.loads(span.input_messages)] == ["system"]
    assert [message["role"] for message in json.loads(span.output_messages)] == ["critic"]
    assert json.loads(span.tool_definitions)[0]["name"] == ""


def test_names_of_tools_and_agents_that_only_the_span_or_its_node_tells(ingest: Ingest) -> None:
    tool = ingest({"gen_ai.operation.name": "execute_tool"}, name="get_weather")
    agent = ingest({"openinference.span.kind": "AGENT", "graph.node.name": "planner"})
    step = ingest({"openinference.span.kind": "CHAIN", "graph.node.name": "planner"})
    assert (tool.tool_name, agent.agent_name, step.agent_name) == ("get_weather", "planner", "")


def test_a_first_chunk_may_come_at_once_but_not_before_the_start(ingest: Ingest) -> None:
    name = "gen_ai.content.completion.chunk"
    at_once, before = (
        ingest(CHAT, events=[(name, 0, {})]),
        ingest(CHAT, events=[(name, -1, {}), (name, 7, {}), (name, 9, {})]),
    )
    assert (at_once.time_to_first_chunk_ns, before.time_to_first_chunk_ns) == (0, 7)
    assert at_once.is_stream


def test_exceptions_that_say_little(ingest: Ingest) -> None:
    silent = ingest(CHAT, status="error", events=[("exception", 1, {})])
    named = ingest(CHAT, status="error", events=[("exception", 1, {"exception.type": "ValueError"})])
    assert (silent.error_type, silent.status_message) == ("_OTHER", "")
    assert (named.error_type, named.status_message) == ("ValueError", "")


def test_messages_of_events_are_moved_whole(ingest: Ingest) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    span = ingest(
        {"gen_ai.system": "openai"},
        events=[
            ("gen_ai.user.message", 1, {"role": "developer", "content": "hi"}),
            ("gen_ai.assistant.message", 2, {"tool_calls": json.dumps(calls)}),
            ("gen_ai.choice", 3, {"index": 0, "message": "{}", "tool_calls": calls, "finish_reason": ""}),
            ("gen_ai.choice", 4, {"message": '{"content":"ho"}', "finish_reason": "stop"}),
        ],
    )
    call = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}}
    assert json.loads(span.input_messages) == [
        {"role": "developer", "parts": [{"type": "text", "content": "hi"}]},
        {"role": "assistant", "parts": [call]},
    ]
    assert [message["parts"] for message in json.loads(span.output_messages)] == [
        [call],
        [{"type": "text", "content": "ho"}],
    ]
    assert span.finish_reasons == ["stop"]
    assert [event.attributes for event in span.events] == [
        {"role": "developer"},
        {},
        {"index": 0, "finish_reason": ""},
        {"finish_reason": "stop"},
    ]


def test_finish_reasons_of_messages_that_are_no_words_are_left_out(ingest: Ingest) -> None:
    answers = [{"role": "assistant", "parts": [], "finish_reason": each} for each in ("stop", 7, "", None)]
    assert ingest({**CHAT, "gen_ai.output.messages": json.dumps(answers)}).finish_reasons == ["stop"]


def test_json_that_only_forgiving_readers_accept(ingest: Ingest) -> None:
    span = ingest({**CHAT, "gen_ai.tool.definitions": '[{"name":"f","limit":NaN}]'})
    assert json.loads(span.tool_definitions) == [{"name": "f", "limit": None}]


def test_names_and_texts_of_other_types(ingest: Ingest) -> None:
    span = ingest(
        {
            "gen_ai.operation.name": "embeddings",
            "user.id": 42,
            "gen_ai.conversation.id": ["no", "id"],
            "spanwise.embeddings.input": ["one", "two"],
        }
    )
    assert (span.user_id, span.conversation_id) == ("42", "")
    assert json.loads(span.input_text) == ["one", "two"]


@pytest.mark.parametrize(
    ("sent", "messages"),
    [
        (
            '["a","b"]',
            [{"role": "user", "parts": [{"type": "text", "content": t} for t in ("a", "b")]}],
        ),
        ('[{"parts":[{"type":"text","content":"hi"}]}]', USER),
        ('[{"role":"user","content":"hi"},"loose"]', None),
        ('[{"role":"user","content":""}]', [{"role": "user", "parts": []}]),
        ("[", [{"role": "user", "parts": [{"type": "text", "content": "["}]}]),
    ],
)
def test_generic_input_of_a_model_call(sent: str, messages: Any, ingest: Ingest) -> None:
    found = json.loads(ingest({"openinference.span.kind": "LLM", "input.value": sent}).input_messages)
    assert len(found) == 1
    if messages is not None:
        assert found == messages


# --- prices ---


def test_each_class_of_tokens_leaves_the_total_that_contains_it() -> None:
    rates = [Rate(Decimal(rate)) for rate in (1, 10, 100, 1000, 10_000, 100_000)]
    names = ("input", "output", "cache_read", "cache_write", "audio_input", "audio_output")
    price = Price(source="made up", per_request=Decimal("0.5"), **dict(zip(names, rates, strict=True)))
    assert price.cost(Tokens()) == Decimal("0.5")
    tokens = Tokens(input=9, output=5, cache_read=1, cache_write=2, audio_input=3, audio_output=4)
    assert price.cost(tokens) == Decimal("0.5") + 3 + 100 + 2 * 1000 + 3 * 10_000 + 10 + 4 * 100_000
    assert price.cost(Tokens(output=1, audio_output=9)) == Decimal("0.5") + 100_000
    assert price.cost(Tokens(input=1, cache_read=9)) == Decimal("0.5") + 100


def test_classes_without_a_rate_are_charged_as_what_contains_them() -> None:
    price = Price(source="made up", input=Rate(Decimal(1)), output=Rate(Decimal(10)))
    tokens = Tokens(input=9, output=5, cache_read=1, cache_write=2, audio_input=3, audio_output=4)
    assert price.cost(tokens) == 9 + 50
    assert Price(source="free").cost(tokens) == 0


def test_a_tier_holds_above_its_threshold() -> None:
    rate = Rate(Decimal(1), ((100, Decimal(2)), (200, Decimal(3))))
    assert [rate.at(size) for size in (0, 100, 101, 200, 201)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("provider", "model"),
    [("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-realtime"), ("openai", "gpt-4o")],
)
def test_counts_that_were_not_reported_cost_nothing(provider: str, model: str, ingest: Ingest) -> None:
    call = {**CHAT, "gen_ai.provider.name": provider, "gen_ai.request.model": model}
    span = ingest({**call, "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100})
    price = PriceTable().find(provider, model, "", span.start_ns)
    assert price is not None
    assert span.cost_usd == price.cost(Tokens(input=1000, output=100))


def test_every_count_is_charged(ingest: Ingest) -> None:
    call = {**CHAT, "gen_ai.request.model": "gpt-realtime", "gen_ai.usage.input_tokens": 1000}
    counts = {
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.audio.input_tokens": 20,
        "gen_ai.usage.audio.output_tokens": 30,
    }
    span = ingest({**call, **counts})
    price = PriceTable().find("openai", "gpt-realtime", "", span.start_ns)
    assert price is not None
    assert span.cost_usd == price.cost(
        Tokens(input=1000, output=100, cache_read=10, audio_input=20, audio_output=30)
    )


def test_a_tools_answer_in_openais_shape(ingest: Ingest) -> None:
    sent = [{"role": "tool", "tool_call_id": "c1", "content": '{"temp":57}'}]
    span = ingest({**CHAT, "gen_ai.input.messages": json.dumps(sent)})
    response = {"type": "tool_call_response", "id": "c1", "response": {"temp": 57}}
    assert json.loads(span.input_messages) == [{"role": "tool", "parts": [response]}]


def test_parts_that_are_canonical_already_stay_as_they_are(ingest: Ingest) -> None:
    parts = [
        {"type": "text", "content": "hi", "citations": [1]},
        {"type": "tool_call_response", "id": "c1", "response": "a", "result": "b"},
    ]
    converted = ingest({**CHAT, "gen_ai.input.messages": [{"role": "user", "parts": parts}]})
    (message,) = json.loads(converted.input_messages)
    assert message["parts"] == parts
