"""What only one dialect has: tools, documents, embeddings, span events, vector stores."""

import json
from collections.abc import Callable

import pytest

from spanwise_collector.model import Span

Ingest = Callable[..., Span]


def test_openinference_tool_calls_and_their_results(ingest: Ingest) -> None:
    call = "llm.output_messages.0.message.tool_calls.0.tool_call."
    span = ingest(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "tool",
            "llm.input_messages.0.message.content": '{"temp":57}',
            "llm.input_messages.0.message.tool_call_id": "call_1",
            "llm.output_messages.0.message.role": "assistant",
            call + "id": "call_2",
            call + "function.name": "get_weather",
            call + "function.arguments": '{"city":"Paris"}',
            "llm.tools.0.tool.json_schema": '{"type":"function","function":{"name":"get_weather"}}',
        }
    )
    response = {"type": "tool_call_response", "id": "call_1", "response": {"temp": 57}}
    asked = {"type": "tool_call", "id": "call_2", "name": "get_weather", "arguments": {"city": "Paris"}}
    assert json.loads(span.input_messages) == [{"role": "tool", "parts": [response]}]
    assert json.loads(span.output_messages) == [{"role": "assistant", "parts": [asked]}]
    assert json.loads(span.tool_definitions) == [{"type": "function", "name": "get_weather"}]


def test_openinference_ordered_contents_name_a_tool_call_once(ingest: Ingest) -> None:
    base = "llm.output_messages.0.message."
    span = ingest(
        {
            base + "role": "assistant",
            base + "contents.0.message_content.type": "reasoning",
            base + "contents.0.message_content.text": "hm",
            base + "contents.1.message_content.type": "text",
            base + "contents.1.message_content.text": "let me look",
            base + "contents.2.message_content.type": "image",
            base + "contents.2.message_content.image.image.url": "data:image/png;base64,AAAA",
            base + "contents.3.message_content.type": "tool_use",
            base + "contents.3.tool_call.id": "c1",
            base + "contents.3.tool_call.function.name": "f",
            base + "contents.3.tool_call.function.arguments": "{}",
            base + "contents.0.message_content.signature": "opaque",
            base + "tool_calls.0.tool_call.id": "c1",
            base + "tool_calls.0.tool_call.function.name": "f",
        }
    )
    parts = json.loads(span.output_messages)[0]["parts"]
    assert [part["type"] for part in parts] == ["reasoning", "text", "blob", "tool_call"]
    # A leaf that has no place in a message is not lost.
    assert span.attributes == {base + "contents.0.message_content.signature": "opaque"}


def test_openinference_documents_embeddings_and_generic_io(ingest: Ingest) -> None:
    found = ingest(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "capital of France",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.content": "Paris",
            "retrieval.documents.0.document.score": 0.9,
            "retrieval.documents.0.document.metadata": '{"page":3}',
        }
    )
    embedded = ingest(
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "embedding.embeddings.0.embedding.text": "one",
            "embedding.embeddings.1.embedding.text": "two",
            "embedding.embeddings.0.embedding.vector": [0.1, 0.2],
        }
    )
    tool = ingest(
        {"openinference.span.kind": "TOOL", "tool.name": "add", "input.value": '{"a":1}', "output.value": "2"}
    )
    assert (found.operation, found.input_text) == ("retrieval", "capital of France")
    assert json.loads(found.documents) == [
        {"id": "d1", "score": 0.9, "content": "Paris", "metadata": {"page": 3}}
    ]
    assert (embedded.operation, embedded.request_model) == ("embeddings", "text-embedding-3-small")
    assert json.loads(embedded.input_text) == ["one", "two"]
    assert embedded.attributes["embedding.embeddings.0.embedding.vector"] == [0.1, 0.2]
    assert (tool.operation, tool.tool_name, tool.tool_arguments, tool.tool_result) == (
        "execute_tool",
        "add",
        '{"a":1}',
        "2",
    )


@pytest.mark.parametrize(("parent", "operation"), [("", "invoke_workflow"), ("aa" * 8, "task")])
def test_openinference_chain_is_a_workflow_at_the_root_only(
    parent: str, operation: str, ingest: Ingest
) -> None:
    span = ingest(
        {"openinference.span.kind": "CHAIN", "input.value": "q", "output.value": "a"}, parent_span_id=parent
    )
    assert (span.operation, span.input_text, span.output_text) == (operation, "q", "a")


def test_openinference_reported_cost_is_kept_apart(ingest: Ingest) -> None:
    priced = ingest(
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-4o",
            "llm.token_count.prompt": 1000,
            "llm.token_count.completion": 0,
            "llm.cost.prompt": 0.5,
            "llm.cost.completion": 0.25,
        }
    )
    assert (float(priced.cost_usd or 0), float(priced.reported_cost_usd or 0)) == (0.0025, 0.75)
    assert priced.cost_status == "priced"


def test_openllmetry_tool_calls_contents_and_functions(ingest: Ingest) -> None:
    span = ingest(
        {
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": '[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]',
            "gen_ai.prompt.1.role": "tool",
            "gen_ai.prompt.1.content": "rainy",
            "gen_ai.prompt.1.tool_call_id": "c1",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "c2",
            "gen_ai.completion.0.tool_calls.0.name": "f",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"a":[1]}',
            "llm.request.functions.0.name": "f",
            "llm.request.functions.0.parameters": '{"type":"object"}',
            "llm.is_streaming": True,
        },
        events=[("llm.content.completion.chunk", 5, {}), ("llm.content.completion.chunk", 9, {})],
    )
    asked, answered = json.loads(span.input_messages), json.loads(span.output_messages)
    assert [part["type"] for part in asked[0]["parts"]] == ["text", "uri"]
    assert asked[1]["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "rainy"}]
    assert answered[0]["parts"][0]["arguments"] == {"a": [1]}
    assert (span.finish_reasons, span.is_stream, span.time_to_first_chunk_ns) == (["tool_call"], True, 5)
    assert json.loads(span.tool_definitions)[0]["parameters"] == {"type": "object"}


def test_openllmetry_framework_spans(ingest: Ingest) -> None:
    workflow = ingest(
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.name": "qa",
            "traceloop.entity.input": '{"q":1}',
            "traceloop.entity.output": '"a"',
        }
    )
    tool = ingest(
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "search", "traceloop.entity.input": "{}"}
    )
    assert (workflow.operation, workflow.workflow_name) == ("invoke_workflow", "qa")
    assert (workflow.input_text, workflow.output_text) == ('{"q":1}', '"a"')
    assert (tool.operation, tool.tool_name, tool.tool_arguments) == ("execute_tool", "search", "{}")


def test_vector_store_hits_become_documents_and_writes_are_no_retrieval(ingest: Ingest) -> None:
    hits = [
        ("db.query.result", 1, {"db.query.result.id": "7", "db.query.result.score": 0.5}),
        ("db.query.result", 2, {"db.query.result.id": "8", "db.query.result.distance": 0.1}),
    ]
    found = ingest({"db.system": "chroma", "db.operation": "query"}, name="chroma.query", events=hits)
    written = ingest({"db.system": "chroma", "db.operation": "add"}, name="chroma.add")
    ordinary = ingest({"db.system": "postgresql", "db.operation": "query"}, name="SELECT")
    assert found.operation == "retrieval"
    assert json.loads(found.documents) == [{"id": "7", "score": 0.5}, {"id": "8", "distance": 0.1}]
    assert (written.operation, ordinary.operation, ordinary.provider) == ("", "", "")


def test_messages_as_span_events_of_the_older_conventions(ingest: Ingest) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    span = ingest(
        {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"},
        events=[
            ("gen_ai.system.message", 1, {"content": "brief"}),
            ("gen_ai.user.message", 2, {"content": "hi", "gen_ai.system": "openai"}),
            ("gen_ai.tool.message", 3, {"content": "57", "id": "c0"}),
            (
                "gen_ai.choice",
                4,
                {"finish_reason": "tool_calls", "message": json.dumps({"tool_calls": calls})},
            ),
        ],
    )
    asked, answered = json.loads(span.input_messages), json.loads(span.output_messages)
    assert [message["role"] for message in asked] == ["system", "user", "tool"]
    assert asked[2]["parts"] == [{"type": "tool_call_response", "id": "c0", "response": "57"}]
    assert answered[0]["parts"][0]["name"] == "f"
    assert span.finish_reasons == ["tool_call"]
    assert "content" not in span.events[1].attributes
    assert span.events[1].attributes == {"gen_ai.system": "openai"}


def test_content_events_and_the_details_event(ingest: Ingest) -> None:
    old = ingest(
        {"gen_ai.system": "openai", "gen_ai.request.model": "m"},
        events=[
            ("gen_ai.content.prompt", 1, {"gen_ai.prompt": '[{"role":"user","content":"hi"}]'}),
            ("gen_ai.content.completion", 2, {"gen_ai.completion": "hello"}),
        ],
    )
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    details = ingest(
        {"gen_ai.operation.name": "chat"},
        events=[("gen_ai.client.inference.operation.details", 1, {"gen_ai.input.messages": messages})],
    )
    assert json.loads(old.input_messages) == json.loads(details.input_messages) == messages
    assert json.loads(old.output_messages)[0]["parts"][0]["content"] == "hello"
    assert details.events[0].attributes == {}


def test_hostile_numbers_of_flattened_keys_cost_linear_time(ingest: Ingest) -> None:
    many = {f"gen_ai.prompt.{index}.content": "x" for index in range(20_000)}
    many["gen_ai.prompt." + "1." * 2000 + "content"] = "deep"
    span = ingest(many)
    assert len(json.loads(span.input_messages)) == 20_000
