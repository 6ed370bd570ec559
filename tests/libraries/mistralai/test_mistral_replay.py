"""Every recording of Mistral's API, replayed to the real client, comes out as one span with all it holds."""

import contextlib
import inspect
import json
from typing import Any

import pytest
from cassettes import NO_DATA, made_up, sse
from comparison import differences, summary
from loopback import Loopback
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from recordings import Recording, load
from replay_server import ReplayServer
from span_memory import SpanMemory

library = pytest.importorskip(
    "mistralai.client", reason="mistralai is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("mistralai",)
RECORDINGS = load("mistral-chat", "mistral-embeddings")
EACH = pytest.mark.parametrize(
    "recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none"
)


@pytest.fixture(scope="module")
def server():
    with ReplayServer(RECORDINGS).running() as running:
        yield running


def client_at(url: str) -> Any:
    from mistralai.client import httpclient

    http = httpclient.httpx
    clients = {"client": http.Client(verify=False), "async_client": http.AsyncClient(verify=False)}
    return library.Mistral(api_key="k", server_url=url, **clients)


def call(recording: Recording, client: Any, *, is_async: bool) -> Any:
    """Makes the recorded call; the client's models take a field less or more than the recorded body has."""
    body = dict(recording.request)
    if recording.path.endswith("/embeddings"):
        method = client.embeddings.create_async if is_async else client.embeddings.create
        return method(model=body["model"], inputs=body["input"])
    name = ("stream" if recording.is_stream else "complete") + ("_async" if is_async else "")
    method = getattr(client.chat, name)
    known = inspect.signature(method).parameters
    return method(**{key: value for key, value in body.items() if key in known})


@EACH
def test_sync_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    client = client_at(f"{server.url}/{recording.key}")
    answer = call(recording, client, is_async=False)
    list(answer) if recording.is_stream else answer
    check(recording, memory)


@EACH
async def test_async_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    client = client_at(f"{server.url}/{recording.key}")
    answer = await call(recording, client, is_async=True)
    [chunk async for chunk in answer] if recording.is_stream else answer
    check(recording, memory)
    await client.sdk_configuration.async_client.aclose()


def check(recording: Recording, memory: SpanMemory) -> None:
    spans = memory.take()
    assert len(spans) == 1
    assert differences(recording, spans[0]) == []
    assert spans[0]["provider"] == "mistral_ai"
    assert "openai.api.type" not in spans[0]["attributes"]


ANSWER = {
    "id": "f1",
    "object": "chat.completion",
    "model": "code-1",
    "created": 1,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "  return 1"},
            "finish_reason": "model_length",
        }
    ],
    "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "num_cached_tokens": 2},
}


def test_fill_in_the_middle_and_agents(loopback: Loopback, memory: SpanMemory) -> None:
    url = loopback.put(made_up("fim", "/v1/fim/completions", ANSWER))
    client_at(url).fim.complete(model="code", prompt="def f():", suffix="# end", random_seed=5, max_tokens=9)
    url = loopback.put(made_up("agents", "/v1/agents/completions", ANSWER))
    client_at(url).agents.complete(agent_id="ag_1", messages=[{"role": "user", "content": "Go"}])
    fim, agent = memory.take()
    assert (fim["name"], fim["operation"]) == ("text_completion code", "text_completion")
    assert fim["input_messages"][0]["parts"] == [
        {"type": "text", "content": "def f():"},
        {"type": "suffix", "content": "# end"},
    ]
    assert (fim["attributes"]["gen_ai.request.seed"], fim["attributes"]["gen_ai.request.max_tokens"]) == (
        5,
        9,
    )
    assert (fim["finish_reasons"], fim["cached_input_tokens"]) == (["length"], 2)
    assert (agent["operation"], agent["attributes"]["gen_ai.agent.id"]) == ("chat", "ag_1")
    assert agent["output_messages"][0]["parts"] == [{"type": "text", "content": "  return 1"}]


USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
OUTPUTS = [
    {"type": "tool.execution", "id": "t1", "name": "web_search", "arguments": '{"q": "Bern"}'},
    {"type": "message.output", "id": "m1", "model": "large-1", "role": "assistant", "content": "Let me ask."},
    {
        "type": "function.call",
        "id": "f1",
        "name": "weather",
        "tool_call_id": "c1",
        "arguments": '{"city": "Bern"}',
    },
]
EVENTS = [
    {"type": "conversation.response.started", "conversation_id": "conv_1"},
    {
        "type": "tool.execution.started",
        "output_index": 0,
        "id": "t1",
        "name": "web_search",
        "arguments": '{"q": "Bern"}',
    },
    {"type": "tool.execution.done", "output_index": 0, "id": "t1", "name": "web_search"},
    *(
        {
            "type": "message.output.delta",
            "output_index": 1,
            "id": "m1",
            "model": "large-1",
            "role": "assistant",
            "content": text,
        }
        for text in ("Let me ", "ask.")
    ),
    *(
        {
            "type": "function.call.delta",
            "output_index": 2,
            "id": "f1",
            "name": "weather",
            "tool_call_id": "c1",
            "arguments": text,
        }
        for text in ('{"city":', ' "Bern"}')
    ),
    {"type": "conversation.response.done", "usage": USAGE},
]


def test_conversations_read_alike_in_both_forms(loopback: Loopback, memory: SpanMemory) -> None:
    answer = {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": OUTPUTS,
        "usage": USAGE,
    }
    plain = made_up("conv", "/v1/conversations", answer)
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()
    stream = made_up("conv-s", "/v1/conversations", body, headers={"content-type": "text/event-stream"})
    asked = {"model": "large", "inputs": "Weather in Bern?", "instructions": "Be brief."}
    client_at(loopback.put(plain)).beta.conversations.start(**asked)
    list(client_at(loopback.put(stream)).beta.conversations.start_stream(**asked))
    whole, streamed = memory.take()
    assert summary(whole) == summary(streamed)
    for span in (whole, streamed):
        assert (span["operation"], span["response_model"]) == ("chat", "large-1")
        assert (span["input_tokens"], span["output_tokens"], span["finish_reasons"]) == (9, 5, ["tool_call"])
        assert span["attributes"]["gen_ai.conversation.id"] == "conv_1"
        assert span["system_instructions"] == [{"type": "text", "content": "Be brief."}]
        assert summary(span)["input"][1:] == [{"role": "user", "text": "Weather in Bern?"}]
        parts = span["output_messages"][0]["parts"]
        assert [part["type"] for part in parts] == ["tool.execution", "text", "tool_call"]
        assert parts[1]["content"] == "Let me ask."
        assert parts[2] | {"id": "c1"} == {
            "type": "tool_call",
            "id": "c1",
            "name": "weather",
            "arguments": {"city": "Bern"},
        }


def test_a_conversation_goes_on_with_a_result(loopback: Loopback, memory: SpanMemory) -> None:
    answer = {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": OUTPUTS[1:2],
        "usage": USAGE,
    }
    url = loopback.put(made_up("more", "/v1/conversations/conv_1", answer))
    result = {"type": "function.result", "tool_call_id": "c1", "result": "21"}
    client_at(url).beta.conversations.append(conversation_id="conv_1", inputs=[result])
    (span,) = memory.take()
    assert span["attributes"]["gen_ai.conversation.id"] == "conv_1"
    assert span["input_messages"][0]["parts"] == [
        {"type": "tool_call_response", "id": "c1", "response": "21"}
    ]
    assert span["finish_reasons"] == ["stop"]


def test_one_span_where_the_client_traces_itself(
    loopback: Loopback, memory: SpanMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client starts spans of its own as soon as the app has a provider; ours stands in for them."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    url = loopback.put(made_up("own", "/v1/chat/completions", ANSWER | {"model": "m-1"}))
    monkeypatch.setenv("MISTRAL_SDK_TELEMETRY", "global")  # since 3.0 the client has to be asked
    client_at(url).chat.complete(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert len(memory.take()) == 1
    assert exporter.get_finished_spans() == ()


def test_a_validation_error_is_told_in_words(loopback: Loopback, memory: SpanMemory) -> None:
    detail = {"detail": [{"loc": ["body", "model"], "msg": "Field required", "type": "missing"}]}
    url = loopback.put(made_up("bad", "/v1/chat/completions", detail, status=422))
    with pytest.raises(Exception, match="Field required"):
        client_at(url).chat.complete(model="m", messages=[{"role": "user", "content": "Hi"}])
    (span,) = memory.take()
    assert (span["status"], span["status_message"], span["error_type"]) == ("error", "Field required", "422")


def test_error_inside_a_stream(loopback: Loopback, memory: SpanMemory) -> None:
    """A chunk that is an error: the client passes over it or raises; the span tells it."""
    body = sse({"object": "error", "message": "Overloaded", "error": {"message": "Overloaded", "code": 503}})
    url = loopback.put(
        made_up("busy", "/v1/chat/completions", body, headers={"content-type": "text/event-stream"})
    )
    with contextlib.suppress(Exception):  # the client's own: an error is no chunk
        list(client_at(url).chat.stream(model="m", messages=[{"role": "user", "content": "Hi"}]))
    (span,) = memory.take()
    assert (span["status"], span["status_message"]) == ("error", "Overloaded")
