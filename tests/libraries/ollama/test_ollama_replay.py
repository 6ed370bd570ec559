"""Every recording of Ollama's API, replayed to the real client, comes out as one span with all it holds."""

import json
from typing import Any

import pytest
from cassettes import Exchange, load, made_up, params
from loopback import Loopback
from span_memory import SpanMemory

ollama = pytest.importorskip(
    "ollama", reason="ollama is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("ollama",)
EACH = pytest.mark.parametrize("exchange", params(load("ollama")))


def call(client: Any, exchange: Exchange) -> Any:
    body = {key: value for key, value in exchange.request.items() if key != "raw" or value}
    method = getattr(client, exchange.path.rpartition("/")[2])
    return method(**body)


@EACH
def test_sync_call_is_recorded(exchange: Exchange, loopback: Loopback, memory: SpanMemory) -> None:
    answer = call(ollama.Client(host=loopback.put(exchange), verify=False), exchange)
    if exchange.request.get("stream"):
        list(answer)
    check(exchange, memory)


@EACH
async def test_async_call_is_recorded(exchange: Exchange, loopback: Loopback, memory: SpanMemory) -> None:
    client = ollama.AsyncClient(host=loopback.put(exchange), verify=False)
    answer = await call(client, exchange)
    if exchange.request.get("stream"):
        [chunk async for chunk in answer]
    check(exchange, memory)
    await client._client.aclose()


def check(exchange: Exchange, memory: SpanMemory) -> None:
    """Compares the span with what the raw recording holds."""
    (span,) = memory.take()
    request, events = exchange.request, exchange.events
    kind = exchange.path.rpartition("/")[2]
    operation = {"chat": "chat", "generate": "text_completion"}.get(kind, "embeddings")
    last = events[-1]
    assert (span["operation"], span["provider"], span["request_model"]) == (
        operation,
        "ollama",
        request["model"],
    )
    assert span["status"] == "unset"
    assert span["response_model"] == last.get("model")
    assert span["input_tokens"] == last.get("prompt_eval_count")
    assert span["output_tokens"] == last.get("eval_count")
    for name, key in (("total", "total"), ("load", "load"), ("prompt_eval", "input"), ("eval", "output")):
        told = last.get(f"{name}_duration")
        recorded = span["attributes"].get(f"spanwise.server.duration.{key}")
        assert recorded == (told if told is None else pytest.approx(told / 1e9))
    if operation == "embeddings":
        assert span["attributes"]["spanwise.embeddings.input"] == [request["prompt"]]
        assert span["attributes"]["gen_ai.embeddings.dimension.count"] == len(last["embedding"])
        return
    assert span["finish_reasons"] == ([last["done_reason"]] if "done_reason" in last else None)
    assert text_of(span["output_messages"]) == [("assistant", written(events))]
    assert calls_of(span["output_messages"]) == [
        (call["function"]["name"], call["function"]["arguments"])
        for event in events
        for call in event.get("message", {}).get("tool_calls") or []
    ]
    if operation == "text_completion":
        assert text_of(span["input_messages"]) == [("user", request["prompt"])]
        assert [part["content"] for part in span["system_instructions"] or []] == list(
            filter(None, [request.get("system")])
        )
        return
    asked = [(message["role"], message.get("content") or "") for message in request["messages"]]
    assert [(role, text) for role, text in text_of(span["input_messages"])] == asked
    offered = [tool["function"]["name"] for tool in request.get("tools") or []]
    assert [tool["name"] for tool in span["tool_definitions"] or []] == offered


def written(events: list[dict[str, Any]]) -> str:
    return "".join(
        event["message"]["content"] if "message" in event else event["response"] for event in events
    )


def text_of(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Returns role and text of each message; what a tool answered is its text too."""
    return [
        (
            message["role"],
            "".join(
                part.get("content") or part.get("response") or ""
                for part in message["parts"]
                if part["type"] in ("text", "tool_call_response")
            ),
        )
        for message in messages
    ]


def calls_of(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    parts = [part for message in messages for part in message["parts"]]
    return [(part["name"], part["arguments"]) for part in parts if part["type"] == "tool_call"]


def test_what_the_recordings_lack(loopback: Loopback, memory: SpanMemory) -> None:
    """Options, images, tools and thinking, in a stream whose tool calls come in a line each."""
    calls = [{"function": {"name": name, "arguments": {"city": "Bern"}}} for name in ("time", "weather")]
    deltas = [
        {"thinking": "Two "},
        {"thinking": "tools."},
        {"content": "Let me"},
        {"content": " see."},
        *({"tool_calls": [call]} for call in calls),
    ]
    events = [{"model": "q", "message": {"role": "assistant", "content": "", **delta}} for delta in deltas]
    last = {
        "model": "q",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "length",
    }
    body = b"".join(
        json.dumps(event).encode() + b"\n"
        for event in [*events, last | {"prompt_eval_count": 0, "eval_count": 3}]
    )
    url = loopback.put(made_up("more", "/api/chat", body, headers={"content-type": "application/x-ndjson"}))
    tool = {"type": "function", "function": {"name": "time", "description": "Tells the time."}}
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [b"\x01\x02"]},
        {"role": "assistant", "tool_calls": calls[:1]},
        {"role": "tool", "content": "12:00", "tool_name": "time"},
    ]
    options = {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 7, "num_predict": 99, "stop": ["x"]}
    client = ollama.Client(host=url, verify=False)
    list(client.chat("q", messages=asked, tools=[tool], stream=True, format="json", options=options))
    (span,) = memory.take()
    told = {key.rpartition(".")[2]: value for key, value in span["attributes"].items() if ".request." in key}
    assert told["max_tokens"] == 99
    assert (told["temperature"], told["top_p"], told["top_k"], told["seed"]) == (0.5, 0.9, 4, 7)
    assert (told["stop_sequences"], told["stream"]) == (("x",), True)
    assert span["attributes"]["gen_ai.output.type"] == "json"
    assert (span["finish_reasons"], span["input_tokens"], span["output_tokens"]) == (["length"], 0, 3)
    parts = span["output_messages"][0]["parts"]
    if "thinking" in ollama.Message.model_fields:  # since 0.5
        assert parts.pop(0) == {"type": "reasoning", "content": "Two tools."}
    assert parts == [
        {"type": "text", "content": "Let me see."},
        {"type": "tool_call", "id": None, "name": "time", "arguments": {"city": "Bern"}},
        {"type": "tool_call", "id": None, "name": "weather", "arguments": {"city": "Bern"}},
    ]
    assert [message["role"] for message in span["input_messages"]] == ["system", "user", "assistant", "tool"]
    assert span["input_messages"][1]["parts"][1] == {
        "type": "blob",
        "modality": "image",
        "mime_type": None,
        "content": "AQI=",
    }
    assert span["input_messages"][3]["parts"][0]["response"] == "12:00"
    assert span["tool_definitions"] == [
        {"type": "function", "name": "time", "description": "Tells the time."}
    ]


def test_many_embeddings(loopback: Loopback, memory: SpanMemory) -> None:
    answer = {
        "model": "e",
        "embeddings": [[0.5, 1, 2], [1, 2, 3]],
        "prompt_eval_count": 4,
        "load_duration": 10,
    }
    client = ollama.Client(host=loopback.put(made_up("embed", "/api/embed", answer)), verify=False)
    client.embed("e", ["cat", "dog"])
    (span,) = memory.take()
    assert (span["name"], span["input_tokens"], span["output_tokens"]) == ("embeddings e", 4, None)
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 3
    assert span["attributes"]["spanwise.embeddings.input"] == ["cat", "dog"]
    assert span["attributes"]["spanwise.server.duration.load"] == pytest.approx(1e-8)


def test_other_requests_pass_untouched(loopback: Loopback, memory: SpanMemory) -> None:
    url = loopback.put(made_up("list", "/api/tags", {"models": []}, method="GET"))
    assert list(ollama.Client(host=url, verify=False).list().models) == []
    assert memory.take() == []
