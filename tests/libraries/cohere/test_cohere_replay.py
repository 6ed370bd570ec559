"""Every recording of Cohere's API, replayed to the real client, comes out as one span with all it holds."""

import inspect
import json
from typing import Any

import httpx
import pytest
from cassettes import Exchange, load, made_up, params
from comparison import summary
from loopback import Loopback
from span_memory import SpanMemory

cohere = pytest.importorskip(
    "cohere", reason="cohere is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("cohere",)
FILES = ("cohere-chat-v2", "cohere-chat-v1", "cohere-generate-v1", "cohere-embed-v2", "cohere-rerank-v2")
EACH = pytest.mark.parametrize("exchange", params(load(*FILES)))
WORDS = {"COMPLETE": "stop", "TOOL_CALL": "tool_call", "MAX_TOKENS": "length"}


def client_for(exchange: Exchange, url: str, *, is_async: bool) -> Any:
    is_v2 = exchange.path.startswith("/v2")
    names = ("ClientV2", "AsyncClientV2") if is_v2 else ("Client", "AsyncClient")
    http = httpx.AsyncClient(verify=False) if is_async else httpx.Client(verify=False)
    return getattr(cohere, names[is_async])(api_key="k", base_url=url, httpx_client=http)


def call(exchange: Exchange, client: Any) -> Any:
    body = {key: value for key, value in exchange.request.items() if value is not None}
    is_stream = body.pop("stream", False)
    name = exchange.path.rpartition("/")[2] + ("_stream" if is_stream else "")
    method = getattr(client, name)
    known = inspect.signature(getattr(type(client), name)).parameters
    further = {key: body.pop(key) for key in list(body) if key not in known}
    options = {"max_retries": 0, "additional_body_parameters": further}
    return method(**body, request_options=options)


@EACH
def test_sync_call_is_recorded(exchange: Exchange, loopback: Loopback, memory: SpanMemory) -> None:
    client = client_for(exchange, loopback.put(exchange), is_async=False)
    answer = call(exchange, client)
    if exchange.request.get("stream"):
        list(answer)
    check(exchange, memory)


@EACH
async def test_async_call_is_recorded(exchange: Exchange, loopback: Loopback, memory: SpanMemory) -> None:
    client = client_for(exchange, loopback.put(exchange), is_async=True)
    answer = call(exchange, client)
    if exchange.request.get("stream"):
        [chunk async for chunk in answer]
    else:
        await answer
    check(exchange, memory)
    await client._client_wrapper.httpx_client.httpx_client.aclose()


def check(exchange: Exchange, memory: SpanMemory) -> None:
    """Compares the span with what the raw recording holds."""
    (span,) = memory.take()
    kind = exchange.path.rpartition("/")[2]
    operation = {"chat": "chat", "generate": "text_completion", "embed": "embeddings", "rerank": "rerank"}[
        kind
    ]
    assert (span["operation"], span["provider"]) == (operation, "cohere")
    assert (span["request_model"], span["status"]) == (exchange.request["model"], "unset")
    {"chat": check_chat, "generate": check_generate, "embed": check_embed, "rerank": check_rerank}[kind](
        exchange, span
    )


def whole(exchange: Exchange) -> dict[str, Any]:
    """The answer of chat, with the names of version 2; put together from its events where it was streamed."""
    if exchange.path.startswith("/v1"):
        end = exchange.events[-1]["response"]
        return {**end, "id": end["generation_id"], "usage": end["meta"], "message": {"text": end["text"]}}
    if not exchange.request.get("stream"):
        answer = exchange.answer
        message = dict(answer["message"])
        message["text"] = "".join(block["text"] for block in message.get("content") or [])
        return answer | {"message": message}
    events = exchange.events
    message = {"text": "", "tool_plan": "", "tool_calls": []}
    for event in events:
        part = event.get("delta", {}).get("message", {})
        message["tool_plan"] += part.get("tool_plan") or ""
        if event["type"] == "content-delta":
            message["text"] += part["content"]["text"]
        if event["type"] == "tool-call-start":
            message["tool_calls"].append(part["tool_calls"])
        if event["type"] == "tool-call-delta":
            message["tool_calls"][-1]["function"]["arguments"] += part["tool_calls"]["function"]["arguments"]
    return {"id": events[0]["id"], "message": message, **events[-1]["delta"]}


def check_chat(exchange: Exchange, span: dict[str, Any]) -> None:
    answer, request = whole(exchange), exchange.request
    message, usage = answer["message"], answer["usage"]
    assert span["attributes"]["gen_ai.response.id"] == answer["id"]
    assert span["finish_reasons"] == [WORDS[answer["finish_reason"]]]
    assert span["input_tokens"] == usage["billed_units"]["input_tokens"]
    assert span["output_tokens"] == usage["billed_units"]["output_tokens"]
    assert span["attributes"]["cohere.usage.tokens.input_tokens"] == usage["tokens"]["input_tokens"]
    assert span["attributes"]["cohere.usage.tokens.output_tokens"] == usage["tokens"]["output_tokens"]
    assert span["attributes"].get("cohere.usage.cached_tokens") == usage.get("cached_tokens")
    digest = {"role": "assistant", "text": message["text"], "reasoning": message.get("tool_plan")}
    digest["calls"] = [
        (made["id"], made["function"]["name"], json.loads(made["function"]["arguments"]))
        for made in message.get("tool_calls") or []
    ]
    got = summary(span)
    assert got["output"] == [{key: value for key, value in digest.items() if value}]
    assert got["tools"] == [tool["function"]["name"] for tool in request.get("tools") or []]
    assert got["input"] == [
        sent(each) for each in request.get("messages") or [{"content": request.get("message")}]
    ]


def sent(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role", "user")
    if role == "tool":
        return {"role": role, "results": [(message["tool_call_id"], message["content"])]}
    calls = [
        (made["id"], made["function"]["name"], json.loads(made["function"]["arguments"]))
        for made in message.get("tool_calls") or []
    ]
    found = {"role": role, "text": message.get("content"), "calls": calls}
    return {key: value for key, value in found.items() if value}


def check_generate(exchange: Exchange, span: dict[str, Any]) -> None:
    answer = exchange.answer
    assert span["attributes"]["gen_ai.response.id"] == answer["id"]
    assert span["finish_reasons"] == [WORDS[each["finish_reason"]] for each in answer["generations"]]
    assert span["output_tokens"] == answer["meta"]["billed_units"]["output_tokens"]
    texts = [message["parts"][0]["content"] for message in span["output_messages"]]
    assert texts == [each["text"] for each in answer["generations"]]
    assert span["input_messages"][0]["parts"][0]["content"] == exchange.request["prompt"]


def check_embed(exchange: Exchange, span: dict[str, Any]) -> None:
    answer = exchange.answer
    assert span["input_tokens"] == answer["meta"]["billed_units"]["input_tokens"]
    length = len(answer["embeddings"]["float"][0])
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == length
    assert span["attributes"]["spanwise.embeddings.input"] == exchange.request["texts"]
    assert span["attributes"]["gen_ai.request.encoding_formats"] == ("float",)


def check_rerank(exchange: Exchange, span: dict[str, Any]) -> None:
    answer, request = exchange.answer, exchange.request
    assert span["attributes"]["gen_ai.retrieval.query.text"] == request["query"]
    assert span["attributes"]["gen_ai.retrieval.top_k"] == request["top_n"]
    assert span["attributes"]["spanwise.usage.search_units"] == answer["meta"]["billed_units"]["search_units"]
    assert span["attributes"]["spanwise.input"] == request["documents"]
    assert span["attributes"]["gen_ai.retrieval.documents"] == [
        {"id": str(each["index"]), "score": each["relevance_score"]} for each in answer["results"]
    ]


def test_thinking_citations_and_documents_read_alike_in_both_forms(
    loopback: Loopback, memory: SpanMemory
) -> None:
    citation = {"start": 0, "end": 4, "text": "Bern", "sources": []}
    usage = {"tokens": {"input_tokens": 7, "output_tokens": 4}, "cached_tokens": 5}
    blocks = [{"type": "thinking", "thinking": "Swiss?"}, {"type": "text", "text": "Bern."}]
    message = {"role": "assistant", "content": blocks, "citations": [citation]}
    answer = {"id": "c", "finish_reason": "MAX_TOKENS", "message": message, "usage": usage}
    events = [
        {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}},
        *(
            {"type": "content-delta", "index": index, "delta": {"message": {"content": piece}}}
            for index, piece in ((0, {"thinking": "Swi"}), (0, {"thinking": "ss?"}), (1, {"text": "Bern."}))
        ),
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": citation}}},
        {"type": "message-end", "delta": {"finish_reason": "MAX_TOKENS", "usage": usage}},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    plain = made_up("plain", "/v2/chat", answer)
    stream = made_up("stream", "/v2/chat", body, headers={"content-type": "text/event-stream"})
    documents = [{"id": "d1", "data": {"text": "Bern is the capital."}}, "Rome is not."]
    asked = {"model": "m", "messages": [{"role": "user", "content": "Capital?"}], "documents": documents}
    with_options = {"temperature": 0.5, "p": 0.9, "k": 3, "max_tokens": 9, "seed": 1, "stop_sequences": ["."]}
    client_for(plain, loopback.put(plain), is_async=False).chat(**asked, **with_options)
    list(client_for(stream, loopback.put(stream), is_async=False).chat_stream(**asked, **with_options))
    whole_span, streamed = memory.take()
    assert summary(streamed) == summary(whole_span)
    for span in (whole_span, streamed):
        assert (span["input_tokens"], span["cached_input_tokens"], span["finish_reasons"]) == (
            7,
            5,
            ["length"],
        )
        parts = span["output_messages"][0]["parts"]
        assert parts[0] == {"type": "reasoning", "content": "Swiss?"}
        assert parts[1]["annotations"][0]["text"] == "Bern"
        told = {
            key.rpartition(".")[2]: value for key, value in span["attributes"].items() if ".request." in key
        }
        told.pop("stream", None)
        wanted = {"model": "m", "temperature": 0.5, "top_p": 0.9, "top_k": 3, "max_tokens": 9, "seed": 1}
        assert told == wanted | {"stop_sequences": (".",)}
        assert span["attributes"]["gen_ai.retrieval.documents"] == [
            {"id": "d1", "content": {"text": "Bern is the capital."}},
            {"content": "Rome is not."},
        ]


def test_tools_and_history_of_version_1(loopback: Loopback, memory: SpanMemory) -> None:
    calls = [{"name": "weather", "parameters": {"city": "Bern"}}]
    answer = {"generation_id": "g", "text": "", "tool_calls": calls, "finish_reason": "COMPLETE"}
    exchange = made_up("history", "/v1/chat", answer)
    client = client_for(exchange, loopback.put(exchange), is_async=False)
    client.chat(
        message="And Bern?",
        preamble="Be brief.",
        chat_history=[{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
        tools=[{"name": "weather", "description": "Tells the weather."}],
        tool_results=[{"call": calls[0], "outputs": [{"degrees": 21}]}],
    )
    (span,) = memory.take()
    assert span["name"] == "chat"
    assert [(m["role"], m["parts"][0].get("content")) for m in span["input_messages"]] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "And Bern?"),
        ("tool", None),
    ]
    assert span["input_messages"][3]["parts"][0]["response"] == [{"degrees": 21}]
    assert span["system_instructions"] == [{"type": "text", "content": "Be brief."}]
    assert span["tool_definitions"][0]["name"] == "weather"
    assert span["output_messages"][0]["parts"] == [
        {"type": "tool_call", "id": None, "name": "weather", "arguments": {"city": "Bern"}}
    ]


@pytest.mark.parametrize(
    ("embeddings", "length"),
    [
        ([[0.5, 1, 2]], 3),
        ({"int8": [[1, 2]]}, 2),
        ({"ubinary": [[1, 2]]}, 16),
        ({"base64": ["AACAPwAAAEA="]}, 2),
    ],
)
def test_length_of_vectors_of_any_kind(embeddings: Any, length: int) -> None:
    from spanwise.integrations import _cohere_embeddings

    response = _cohere_embeddings.read_response({"embeddings": embeddings}, True)
    assert response.attributes == {"gen_ai.embeddings.dimension.count": length}
    assert response.usage is None
