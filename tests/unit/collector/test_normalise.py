"""Attributes to columns, each dialect: statements 41 and 44 to 52 of the OTLP reference."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from spanwise_collector.model import Span

Ingest = Callable[..., Span]
QUESTION, ANSWER = "Weather in Paris?", "Rainy, 57F."

OTEL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 30,
    "gen_ai.usage.output_tokens": 12,
    "gen_ai.usage.cache_read.input_tokens": 10,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]
    ),
}
OPENLLMETRY_OLD: dict[str, Any] = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.prompt_tokens": 30,
    "gen_ai.usage.completion_tokens": 12,
    "gen_ai.usage.cache_read_input_tokens": 10,
    "llm.usage.total_tokens": 42,
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": QUESTION,
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": ANSWER,
    "gen_ai.completion.0.finish_reason": "stop",
}
OPENLLMETRY_NEW: dict[str, Any] = {**OTEL, "gen_ai.usage.total_tokens": 42, "traceloop.workflow.name": "qa"}
OPENINFERENCE: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.system": "openai",
    "llm.request.model_name": "gpt-4o",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.token_count.prompt": 30,
    "llm.token_count.completion": 12,
    "llm.token_count.prompt_details.cache_read": 10,
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": QUESTION,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
    "llm.finish_reason": "stop",
    "input.value": '{"model":"gpt-4o","messages":[]}',
}
OTEL_126: dict[str, Any] = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.prompt_tokens": 30,
    "gen_ai.usage.completion_tokens": 12,
    "gen_ai.usage.cache_read.input_tokens": 10,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.prompt": json.dumps([{"role": "user", "content": QUESTION}]),
    "gen_ai.completion": json.dumps([{"role": "assistant", "content": ANSWER}]),
}
DIALECTS = {
    "otel": (OTEL, "otel_genai"),
    "otel 1.26": (OTEL_126, "otel_genai"),
    "openllmetry 0.50": (OPENLLMETRY_OLD, "openllmetry"),
    "openllmetry 0.60": (OPENLLMETRY_NEW, "openllmetry"),
    "openinference": (OPENINFERENCE, "openinference"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_44_one_call_in_any_dialect_is_the_same_canonical_span(name: str, ingest: Ingest) -> None:
    attributes, dialect = DIALECTS[name]
    span = ingest(attributes)
    assert span.dialect == dialect
    assert (span.operation, span.provider) == ("chat", "openai")
    assert (span.request_model, span.response_model) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (span.input_tokens, span.output_tokens, span.cached_input_tokens) == (30, 12, 10)
    assert span.finish_reasons == ["stop"]
    asked, answered = json.loads(span.input_messages), json.loads(span.output_messages)
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    assert answered[0]["parts"] == [{"type": "text", "content": ANSWER}]
    assert (span.is_billable, span.cost_status, span.warnings) == (True, "priced", [])


@pytest.mark.parametrize("name", DIALECTS)
def test_content_is_kept_once_and_everything_else_stays_with_its_type(name: str, ingest: Ingest) -> None:
    attributes, _ = DIALECTS[name]
    left = ingest(attributes).attributes
    assert QUESTION not in json.dumps(left)
    assert ANSWER not in json.dumps(left)
    for key, value in attributes.items():
        if QUESTION not in str(value) and ANSWER not in str(value) and not key.endswith((".role", "_reason")):
            assert left[key] == value
            assert type(left[key]) is type(value)


def test_41_cut_json_stays_raw_and_is_flagged(ingest: Ingest) -> None:
    cut = OTEL["gen_ai.input.messages"][:-5]
    span = ingest({**OTEL, "gen_ai.input.messages": cut})
    assert span.input_messages == ""
    assert span.attributes["gen_ai.input.messages"] == cut
    assert span.warnings == ["unreadable:gen_ai.input.messages"]


def test_structured_messages_equal_their_json_text(ingest: Ingest) -> None:
    structured = {**OTEL, "gen_ai.input.messages": json.loads(OTEL["gen_ai.input.messages"])}
    assert json.loads(ingest(structured).input_messages) == json.loads(ingest(OTEL).input_messages)


def test_system_instructions_come_first_as_a_system_message(ingest: Ingest) -> None:
    system = '[{"type":"text","content":"Be brief."}]'
    span = ingest({**OTEL, "gen_ai.system_instructions": system})
    alone = ingest({"gen_ai.operation.name": "chat", "gen_ai.system_instructions": system})
    first = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
    assert json.loads(span.input_messages)[0] == first
    assert json.loads(span.input_messages)[1]["role"] == "user"
    assert json.loads(alone.input_messages) == [first]
    assert "gen_ai.system_instructions" not in span.attributes


@pytest.mark.parametrize("prefix", ["gen_ai.prompt.{}.content", "llm.input_messages.{}.message.content"])
def test_45_index_10_comes_after_9(prefix: str, ingest: Ingest) -> None:
    order = [10, 2, 0, 9, 1, 11]
    span = ingest({prefix.format(index): f"message {index}" for index in order})
    contents = [message["parts"][0]["content"] for message in json.loads(span.input_messages)]
    assert contents == [f"message {index}" for index in sorted(order)]


def test_46_a_prompts_name_and_version_are_no_messages(ingest: Ingest) -> None:
    span = ingest(
        {"gen_ai.prompt.name": "greet", "gen_ai.prompt.version": "3", "gen_ai.prompt.variable.x": "1"}
    )
    assert (span.prompt_name, span.prompt_version, span.input_messages) == ("greet", "3", "")
    assert span.attributes["gen_ai.prompt.variable.x"] == "1"


def test_47_time_to_first_chunk_comes_from_seconds_or_from_the_first_chunk_event(ingest: Ingest) -> None:
    by_attribute = ingest({**OTEL, "gen_ai.response.time_to_first_chunk": 0.25})
    by_event = ingest(OPENINFERENCE, events=[("First Token Stream Event", 250_000_000, {})])
    assert by_attribute.time_to_first_chunk_ns == by_event.time_to_first_chunk_ns == 250_000_000
    assert by_event.is_stream


def test_48_cached_tokens_are_added_only_when_the_sender_left_them_out(ingest: Ingest) -> None:
    included = ingest({**OTEL, "gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 40})
    excluded = ingest(
        {
            **OTEL,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.cache_creation.input_tokens": 5,
        }
    )
    assert (included.input_tokens, included.warnings) == (100, [])
    assert (excluded.input_tokens, excluded.warnings) == (55, ["usage_excluded_cached_tokens"])
    assert excluded.cache_write_input_tokens == 5


def test_48_reasoning_tokens_are_added_only_when_the_sender_left_them_out(ingest: Ingest) -> None:
    span = ingest({**OTEL, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 20})
    assert (span.output_tokens, span.warnings) == (25, ["usage_excluded_reasoning_tokens"])


def test_counts_of_our_own_sdk_are_what_the_provider_reported(ingest: Ingest) -> None:
    counts = {"gen_ai.usage.output_tokens": 10, "gen_ai.usage.reasoning.output_tokens": 11}
    span = ingest({**OTEL, **counts}, scope_name="spanwise")
    assert (span.output_tokens, span.reasoning_output_tokens, span.warnings) == (10, 11, [])


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
        {"gen_ai.operation.name": "invoke_workflow"},
        {"openinference.span.kind": "AGENT"},
        {"traceloop.span.kind": "workflow", "traceloop.entity.name": "qa"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"},
    ],
)
def test_49_spans_that_repeat_their_childrens_usage_are_not_billed(
    attributes: dict[str, Any], ingest: Ingest
) -> None:
    usage = {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 9,
    }
    span = ingest({**attributes, **usage})
    assert (span.is_billable, span.cost_usd, span.cost_status) == (False, None, "not_billable")
    assert span.input_tokens == 9


def test_50_redacted_content_is_hidden_not_text(ingest: Ingest) -> None:
    span = ingest(
        {
            **OPENINFERENCE,
            "llm.input_messages.0.message.content": "__REDACTED__",
            "output.value": "__REDACTED__",
        }
    )
    assert json.loads(span.input_messages) == [{"role": "user", "parts": [{"type": "hidden"}]}]
    assert span.warnings == ["content_hidden_by_sender"]


def test_51_result_and_response_of_a_tool_are_the_same(ingest: Ingest) -> None:
    def with_key(key: str) -> object:
        part = {"type": "tool_call_response", "id": "1", key: {"temp": 57}}
        messages = json.dumps([{"role": "tool", "parts": [part]}])
        return json.loads(ingest({"gen_ai.input.messages": messages}).input_messages)

    assert with_key("result") == with_key("response")


def test_52_unknown_words_and_parts_survive(ingest: Ingest) -> None:
    part = {"type": "hologram", "angle": 7}
    span = ingest(
        {
            "gen_ai.operation.name": "dream",
            "gen_ai.provider.name": "acme",
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [part], "mood": "calm"}]),
        }
    )
    assert (span.operation, span.provider, span.is_billable) == ("dream", "acme", False)
    assert json.loads(span.output_messages) == [{"role": "assistant", "parts": [part], "mood": "calm"}]


def test_finish_reasons_are_folded_and_the_senders_words_stay(ingest: Ingest) -> None:
    span = ingest({**OTEL, "gen_ai.response.finish_reasons": ["end_turn", "tool_use", "max_tokens", "odd"]})
    assert span.finish_reasons == ["stop", "tool_call", "length", "odd"]
    assert span.attributes["gen_ai.response.finish_reasons"] == ["end_turn", "tool_use", "max_tokens", "odd"]


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("OpenAI", "openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("Azure", "azure.ai.openai"),
        ("AWS", "aws.bedrock"),
        ("gemini", "gcp.gemini"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("xai", "x_ai"),
        ("mistralai", "mistral_ai"),
    ],
)
def test_old_provider_names_are_folded(given: str, canonical: str, ingest: Ingest) -> None:
    span = ingest({"gen_ai.system": given, "gen_ai.request.model": "m"})
    assert (span.provider, span.attributes["gen_ai.system"]) == (canonical, given)


def test_the_host_names_the_provider_only_of_model_calls(ingest: Ingest) -> None:
    call = ingest({"gen_ai.request.model": "deepseek-chat", "server.address": "api.deepseek.com"})
    plain = ingest({"server.address": "api.deepseek.com", "http.request.method": "POST"}, name="POST")
    assert (call.provider, call.operation) == ("deepseek", "chat")
    assert (plain.provider, plain.operation, plain.dialect) == ("", "", "")


def test_numbers_are_read_from_text_and_doubles(ingest: Ingest) -> None:
    span = ingest({**OTEL, "gen_ai.usage.input_tokens": "31", "gen_ai.usage.output_tokens": 12.0})
    assert (span.input_tokens, span.output_tokens) == (31, 12)
    broken = ingest({**OTEL, "gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": -1})
    assert (broken.input_tokens, broken.output_tokens) == (None, None)


def test_identity_comes_from_any_of_its_keys(ingest: Ingest) -> None:
    current = ingest({"gen_ai.conversation.id": "c", "session.id": "s", "user.id": "u", "enduser.id": "e"})
    older = ingest({"session.id": "s", "enduser.id": "e"})
    traceloop = ingest(
        {
            "traceloop.association.properties.session_id": "t",
            "traceloop.association.properties.user_id": "tu",
            "gen_ai.request.model": "m",
        }
    )
    mcp = ingest({"mcp.session.id": "m", "mcp.method.name": "tools/call", "gen_ai.tool.name": "t"})
    assert [(s.conversation_id, s.user_id) for s in (current, older, traceloop, mcp)] == [
        ("c", "u"),
        ("s", "e"),
        ("t", "tu"),
        ("", ""),
    ]
    assert mcp.operation == "execute_tool"


def test_our_own_keys_become_columns(ingest: Ingest) -> None:
    step = ingest(
        {
            "gen_ai.operation.name": "task",
            "spanwise.input": '{"question":"q"}',
            "spanwise.output": '"a"',
            "spanwise.tags": ["beta", "eu"],
            "spanwise.metadata.tenant": "acme",
        }
    )
    tool = ingest(
        {"gen_ai.operation.name": "execute_tool", "spanwise.input": '{"x":1}', "spanwise.output": "2"}
    )
    assert (step.input_text, step.output_text, step.tags) == ('{"question":"q"}', '"a"', ["beta", "eu"])
    assert (tool.tool_arguments, tool.tool_result) == ('{"x":1}', "2")
    assert step.attributes == {
        "gen_ai.operation.name": "task",
        "spanwise.tags": ["beta", "eu"],
        "spanwise.metadata.tenant": "acme",
    }


def test_resource_gives_service_version_and_environment(ingest: Ingest) -> None:
    current = ingest(
        {},
        resource={"service.name": "s", "service.version": "1", "deployment.environment.name": "prod"},
    )
    older = ingest({}, resource={"deployment.environment": "dev", "openinference.project.name": "p"})
    assert (current.service, current.service_version, current.environment) == ("s", "1", "prod")
    assert (older.service, older.environment) == ("p", "dev")


def test_errors_are_named_by_attribute_event_or_status(ingest: Ingest) -> None:
    named = ingest({"error.type": "timeout"}, status="error")
    raised = ingest(
        {},
        status="error",
        events=[("exception", 1, {"exception.type": "ValueError", "exception.message": "no"})],
    )
    http = ingest({"http.response.status_code": 503}, status="error")
    fine = ingest({"http.response.status_code": 200})
    nothing = ingest({}, status="error")
    assert [s.error_type for s in (named, raised, http, fine, nothing)] == [
        "timeout",
        "ValueError",
        "503",
        "",
        "_OTHER",
    ]
    assert raised.status_message == "no"


def test_impossible_times_are_kept_and_flagged(ingest: Ingest, make_span: Callable[..., Span]) -> None:
    start = make_span().start_ns
    backwards = ingest({}, start_ns=start, end_ns=start - 5)
    unended = ingest({}, start_ns=start, end_ns=0)
    unstarted = ingest({}, start_ns=0, end_ns=start)
    endless = ingest({}, start_ns=start, end_ns=2**64 - 1)
    assert endless.end_ns == 0
    assert [s.warnings for s in (backwards, unended, endless, unstarted)] == [
        ["end_before_start"],
        ["end_time_missing"],
        ["end_time_out_of_range"],
        ["start_time_missing"],
    ]
    assert (backwards.duration_ns, unstarted.start_ns) == (0, start)


@pytest.mark.parametrize(
    ("trace_state", "weight"),
    [
        ("", 1.0),
        ("ot=th:8", 2.0),
        ("x=y,ot=rv:1;th:c", 4.0),
        ("ot=th:0", 1.0),
        ("ot=th:zz", 1.0),
        ("th:8", 1.0),
    ],
)
def test_the_sampling_threshold_becomes_a_weight(trace_state: str, weight: float, ingest: Ingest) -> None:
    assert ingest({}, trace_state=trace_state).sample_weight == weight
