"""Single fields that no example of a whole span has: each was found by a fault that no other test noticed."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spanwise_collector.ingest.prices import PriceTable
from spanwise_collector.ingest.rules import count, flag, money, seconds, status_code, text_list
from spanwise_collector.model import Span

Ingest = Callable[..., Span]
NOVEMBER_2026_NS = 1_793_500_000 * 1_000_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}


def texts(column: str) -> list[tuple[str, list[Any]]]:
    """Returns role and contents of every message of a column."""
    return [
        (message["role"], [part.get("content") for part in message["parts"]])
        for message in json.loads(column)
    ]


# --- OpenInference ---


def test_openinference_legacy_completions(ingest: Ingest) -> None:
    span = ingest(
        {
            "openinference.span.kind": "LLM",
            "llm.prompts.0.prompt.text": "Once upon",
            "llm.choices.0.completion.text": "a time",
        }
    )
    assert texts(span.input_messages) == [("user", ["Once upon"])]
    assert texts(span.output_messages) == [("assistant", ["a time"])]
    assert span.attributes.keys() == {"openinference.span.kind"}


def test_openinference_message_details(ingest: Ingest) -> None:
    base = "llm.input_messages."
    span = ingest(
        {
            "openinference.span.kind": "LLM",
            base + "0.message.content": "no role",
            base + "1.message.role": "tool",
            base + "1.message.content": "57",
            base + "2.message.role": "assistant",
            base + "2.message.name": "planner",
            base + "2.message.function_call_name": "old",
            base + "2.message.function_call_arguments_json": '{"a":1}',
            base + "3.message.role": "assistant",
            base + "3.message.tool_calls.0.tool_call.function.arguments": "{}",
            base + "4.message.role": "user",
            base + "4.message.content": "plain",
            base + "4.message.contents.0.message_content.type": "text",
            base + "4.message.contents.0.message_content.text": "plain",
            base + "4.message.contents.1.message_content.audio.audio.url": "https://x/a.wav",
            base + "4.message.contents.1.message_content.audio.audio.mime_type": "audio/wav",
        }
    )
    messages = json.loads(span.input_messages)
    assert messages[0] == {"role": "user", "parts": [{"type": "text", "content": "no role"}]}
    assert messages[1]["parts"] == [{"type": "tool_call_response", "id": None, "response": "57"}]
    assert messages[2] == {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": None, "name": "old", "arguments": {"a": 1}}],
        "name": "planner",
    }
    assert messages[3]["parts"] == [{"type": "tool_call", "id": None, "name": "", "arguments": {}}]
    assert messages[4]["parts"] == [
        {"type": "text", "content": "plain"},
        {"type": "uri", "modality": "audio", "mime_type": "audio/wav", "uri": "https://x/a.wav"},
    ]


def test_openinference_tools_rerankers_and_the_model_among_parameters(ingest: Ingest) -> None:
    model = ingest(
        {
            "openinference.span.kind": "LLM",
            "llm.invocation_parameters": '{"model":"from-parameters","temperature":0}',
            "llm.tools.0.tool.name": "add",
            "llm.tools.0.tool.description": "adds",
            "llm.tools.1.tool.json_schema": '{"name":"bare"}',
        }
    )
    unreadable = ingest({"openinference.span.kind": "LLM", "llm.invocation_parameters": "model=x"})
    reranker = ingest(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.query": "capital",
            "reranker.model_name": "rerank-1",
            "reranker.output_documents.0.document.content": "Paris",
        }
    )
    assert (model.request_model, unreadable.request_model) == ("from-parameters", "")
    assert json.loads(model.tool_definitions) == [
        {"type": "function", "name": "add", "description": "adds"},
        {"type": "function", "name": "bare"},
    ]
    assert (reranker.operation, reranker.request_model, reranker.input_text) == (
        "rerank",
        "rerank-1",
        "capital",
    )
    assert json.loads(reranker.documents) == [{"content": "Paris"}]


# --- OpenLLMetry ---


def test_openllmetry_message_details(ingest: Ingest) -> None:
    span = ingest(
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.content": "[{not a list of parts",
            "gen_ai.prompt.1.content": '[{"a":1}]',
            "gen_ai.completion.0.content": "sorry",
            "gen_ai.completion.0.refusal": "I will not",
            "gen_ai.completion.0.tool_calls.0.arguments": "{}",
            "llm.request.functions.0.name": "f",
            "llm.request.functions.0.description": "does f",
        }
    )
    assert texts(span.input_messages) == [("user", ["[{not a list of parts"]), ("user", ['[{"a":1}]'])]
    (answer,) = json.loads(span.output_messages)
    assert answer["role"] == "assistant"
    assert answer["parts"] == [
        {"type": "text", "content": "sorry"},
        {"type": "refusal", "content": "I will not"},
        {"type": "tool_call", "id": None, "name": "", "arguments": {}},
    ]
    assert json.loads(span.tool_definitions) == [{"type": "function", "name": "f", "description": "does f"}]


def test_a_vector_store_is_the_provider_and_its_documents_are_content(ingest: Ingest) -> None:
    hits = [
        (
            "db.query.result",
            1,
            {
                "db.query.result.document": "Paris",
                "db.query.result.metadata": '{"page":3}',
                "db.query.result.vector": [0.1],
            },
        ),
        ("db.search.result", 2, {"db.search.result.entity": "Rome"}),
        ("something.else", 3, {"db.query.result.id": "no hit"}),
    ]
    span = ingest({"db.system": "Qdrant"}, name="qdrant.search", events=hits)
    assert (span.operation, span.provider) == ("retrieval", "qdrant")
    assert json.loads(span.documents) == [{"content": "Paris", "metadata": {"page": 3}}, {"content": "Rome"}]


@pytest.mark.parametrize(
    ("kind", "field"), [("tool", "tool_name"), ("agent", "agent_name"), ("workflow", "workflow_name")]
)
def test_an_entitys_name_is_of_its_kind_and_never_replaces_one(kind: str, field: str, ingest: Ingest) -> None:
    entity = {"traceloop.span.kind": kind, "traceloop.entity.name": "entity"}
    own = {"tool": "gen_ai.tool.name", "agent": "gen_ai.agent.name", "workflow": "gen_ai.workflow.name"}[kind]
    names = {"tool_name": "", "agent_name": "", "workflow_name": ""}
    span = ingest(entity)
    assert {name: getattr(span, name) for name in names} == names | {field: "entity"}
    assert getattr(ingest(entity | {own: "own"}), field) == "own"


# --- OpenTelemetry and what surrounds it ---


def test_an_mcp_call_is_a_tool_call(ingest: Ingest) -> None:
    assert ingest({"mcp.method.name": "tools/call"}, name="get_weather").operation == "execute_tool"
    assert ingest({"mcp.method.name": "tools/list"}).operation == ""


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("Acme.openai.azure.com", "azure.ai.openai"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
        ("api.groq.com", "groq"),
        ("bedrock-runtime.example.com", ""),
        ("s3.amazonaws.com", ""),
    ],
)
def test_hosts_name_providers(host: str, provider: str, ingest: Ingest) -> None:
    span = ingest({"gen_ai.operation.name": "chat", "server.address": host})
    assert span.provider == provider


def test_messages_are_kept_as_sent_to_the_letter(ingest: Ingest) -> None:
    sent = '[ {"parts": [{"content": "hi", "type": "text"}], "role": "user"} ]'
    assert ingest({"gen_ai.input.messages": f" {sent}\n"}).input_messages == sent
    other = '[{"role": "user", "parts": "hi"}]'
    assert ingest({"gen_ai.input.messages": other}).input_messages != other


def test_messages_of_other_shapes_are_converted(ingest: Ingest) -> None:
    wrapped = ingest({**CHAT, "gen_ai.input.messages": '{"messages":[{"role":"user","content":"hi"}]}'})
    single = ingest({**CHAT, "gen_ai.output.messages": '{"role":"assistant","content":"ho"}'})
    request = {"messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "hi"}]}
    generic = ingest(
        {
            "openinference.span.kind": "LLM",
            "input.value": json.dumps(request),
            "output.value": "just text",
        }
    )
    neither = ingest({**CHAT, "gen_ai.input.messages": "7"})
    empty = ingest({**CHAT, "gen_ai.input.messages": "[]", "gen_ai.output.messages": ""})
    assert texts(wrapped.input_messages) == [("user", ["hi"])]
    assert texts(single.output_messages) == [("assistant", ["ho"])]
    assert texts(generic.input_messages) == [("system", ["brief"]), ("user", ["hi"])]
    assert texts(generic.output_messages) == [("assistant", ["just text"])]
    assert "input.value" not in generic.attributes
    assert (neither.input_messages, neither.attributes["gen_ai.input.messages"]) == ("", "7")
    assert neither.warnings == ["unreadable:gen_ai.input.messages"]
    assert (empty.input_messages or "[]", empty.output_messages) == ("[]", "")


def test_parts_of_the_providers_own_shapes(ingest: Ingest) -> None:
    content = [
        "bare text",
        {"type": "thinking", "thinking": "hm"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_result", "tool_use_id": "t1", "content": "57"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_image", "image_url": "https://x/z.png"},
        {"type": "novel", "kept": True},
        {"kept": "too"},
    ]
    calls = [{"id": "c1", "function": {"arguments": "{}"}}, {"id": "c2", "name": "flat", "arguments": "[1]"}]
    message = {"role": "assistant", "content": content, "tool_calls": calls, "name": "n"}
    span = ingest({**CHAT, "gen_ai.output.messages": json.dumps([message])})
    (found,) = json.loads(span.output_messages)
    assert found["name"] == "n"
    assert found["parts"] == [
        {"type": "text", "content": "bare text"},
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "t1", "name": "f", "arguments": {"a": 1}},
        {"type": "tool_call_response", "id": "t1", "response": "57"},
        {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://x/y.png"},
        {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://x/z.png"},
        {"type": "novel", "kept": True},
        {"type": "unknown", "kept": "too"},
        {"type": "tool_call", "id": "c1", "name": "", "arguments": {}},
        {"type": "tool_call", "id": "c2", "name": "flat", "arguments": [1]},
    ]


def test_a_message_of_unknown_shape_keeps_its_fields(ingest: Ingest) -> None:
    span = ingest({**CHAT, "gen_ai.input.messages": '[{"role":"user","type":"x","blocks":[1],"none":null}]'})
    assert json.loads(span.input_messages)[0]["parts"] == [{"type": "unknown", "blocks": [1]}]


def test_lists_and_values_may_come_structured(ingest: Ingest) -> None:
    text = '[{"name": "f"}]'
    tools = {**CHAT, "gen_ai.tool.definitions": text}
    one = {**CHAT, "gen_ai.tool.definitions": {"name": "f"}}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": {"a": 1}}
    assert ingest(tools).tool_definitions == text
    assert json.loads(ingest(one).tool_definitions) == [{"name": "f"}]
    assert json.loads(ingest(tool).tool_arguments) == {"a": 1}
    assert ingest({**CHAT, "gen_ai.tool.definitions": "cut ["}).warnings == [
        "unreadable:gen_ai.tool.definitions"
    ]


def test_what_a_search_returned_is_documents_when_it_is_a_list_of_them(ingest: Ingest) -> None:
    retriever = {"openinference.span.kind": "RETRIEVER"}
    documents = '[{"content":"Paris"}]'
    found = ingest({**retriever, "output.value": documents})
    assert (found.documents, found.output_text, found.attributes) == (documents, "", retriever)
    for other in ("Paris", '["Paris"]', '[{"cut', '{"content":"Paris"}'):
        span = ingest({**retriever, "output.value": other})
        assert (span.documents, span.output_text) == ("", other)


def test_generic_values_whose_place_is_taken_stay_attributes(ingest: Ingest) -> None:
    span = ingest(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": '{"a":1}',
            "input.value": '{"a":2}',
        }
    )
    assert (span.tool_arguments, span.attributes["input.value"]) == ('{"a":1}', '{"a":2}')


def test_text_of_older_events_is_moved_not_copied(ingest: Ingest) -> None:
    span = ingest(
        {"gen_ai.system": "openai"},
        events=[
            ("gen_ai.content.prompt", 1, {"gen_ai.prompt": "hi", "other": 1}),
            ("gen_ai.choice", 2, {"content": "ho", "index": 0}),
        ],
    )
    assert texts(span.input_messages) == [("user", ["hi"])]
    assert texts(span.output_messages) == [("assistant", ["ho"])]
    assert [event.attributes for event in span.events] == [{"other": 1}, {"index": 0}]


# --- values ---


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        (count, 0, 0),
        (count, -1, None),
        (count, "12", 12),
        (count, 12.0, 12),
        (count, "0", 0),
        (count, -0.5, None),
        (count, "many", None),
        (count, True, None),
        (count, float("inf"), None),
        (count, None, None),
        (seconds, 0, 0),
        (seconds, "2.5", 2_500_000_000),
        (seconds, -1, None),
        (seconds, 1e9, None),
        (seconds, float("inf"), None),
        (seconds, float("nan"), None),
        (seconds, True, None),
        (seconds, [1], None),
        (seconds, "soon", None),
        (money, 0, Decimal(0)),
        (money, "0.5", Decimal("0.5")),
        (money, -1, None),
        (money, 999_999, Decimal(999_999)),
        (money, 1_000_000, None),
        (money, "Infinity", None),
        (money, "NaN", None),
        (money, True, None),
        (money, "dear", None),
        (money, [1], None),
        (flag, True, True),
        (flag, "true", True),
        (flag, False, None),
        (flag, 1, None),
        (text_list, "a, b", ["a", "b"]),
        (text_list, '["a","b"]', ["a", "b"]),
        (text_list, "[cut", ["[cut"]),
        (text_list, ["a", "", None, 7], ["a", "7"]),
        (text_list, [], None),
        (text_list, 7, None),
        (status_code, 400, "400"),
        (status_code, 399, None),
        (status_code, "503", "503"),
        (status_code, "x", None),
    ],
)
def test_values_of_any_type_are_read_or_are_nothing(
    reader: Callable[[Any], Any], value: Any, read: Any
) -> None:
    found = reader(value)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("trace_state", "weight"),
    [
        ("ot=th:ffffffffffffff", float(1 << 56)),
        ("ot=th:fffffffffffffff", 1.0),  # fifteen digits are no threshold
        ("ot=th:", 1.0),
        ("rojo=th:8,ot=p:1;th:8", 2.0),
        ("ot=rv:8", 1.0),
    ],
)
def test_thresholds_at_their_limits(trace_state: str, weight: float, ingest: Ingest) -> None:
    assert ingest({}, trace_state=trace_state).sample_weight == weight


# --- prices ---


def test_the_service_tier_decides_the_price(ingest: Ingest) -> None:
    call = {
        **CHAT,
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    }
    standard = ingest(call)
    flexible = ingest({**call, "openai.response.service_tier": "flex"})
    assert standard.cost_usd is not None
    assert flexible.cost_usd == standard.cost_usd / 2


def test_one_of_two_counts_is_enough_for_a_cost(ingest: Ingest) -> None:
    made = ingest({**CHAT, "gen_ai.usage.output_tokens": 1000})
    sent = ingest({**CHAT, "gen_ai.usage.input_tokens": 1000})
    assert (made.cost_usd, sent.cost_usd) == (Decimal("0.01"), Decimal("0.0025"))


def test_the_reason_for_no_price_names_model_and_provider(ingest: Ingest) -> None:
    usage = {"gen_ai.usage.input_tokens": 1}
    asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.request.model": "a"}
    both = {**asked, "gen_ai.response.model": "b"}
    assert ingest({**asked, **usage}).price_source == "no price known for model 'a' of provider 'acme'"
    assert ingest({**both, **usage}).price_source == "no price known for model 'b' of provider 'acme'"
    assert ingest(CHAT).price_source == "no token usage was reported"
    reported = ingest({**asked, **usage, "gen_ai.usage.cost": 0.5})
    assert (reported.cost_usd, reported.price_source) == (Decimal("0.5"), "reported by the sender")


@pytest.mark.parametrize(
    ("provider", "model", "owner"),
    [
        ("aws.bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "aws/"),
        ("mistral_ai", "mistral-large-latest", "mistral/"),
        ("x_ai", "grok-4", "x-ai/"),
        ("gcp.gemini", "gemini-2.5-pro", "google/"),
        ("", "GPT-4o", "openai/"),
        ("", "openai/gpt-4o", "openai/"),
        ("", "nobody/gpt-4o", ""),
    ],
)
def test_prices_are_found_under_opentelemetrys_names(provider: str, model: str, owner: str) -> None:
    price = PriceTable().find(provider, model, "", NOVEMBER_2026_NS)
    assert (price.source.partition(", ")[2].startswith(owner) if price else None) is (True if owner else None)
