"""Hugging Face's InferenceClient, sync and async, replayed over a loopback server."""

import asyncio
import gc
import inspect
import json
from typing import Any

import pytest
from cassettes import Exchange, load, made_up, params, sse
from loopback import Loopback
from span_memory import SpanMemory, traced

huggingface_hub = pytest.importorskip(
    "huggingface_hub", reason="huggingface_hub is not installed: pip install 'spanwise[test-libraries]'"
)
pytest.importorskip("numpy")

InferenceClient, AsyncInferenceClient = huggingface_hub.InferenceClient, huggingface_hub.AsyncInferenceClient

LIBRARIES = ("huggingface_hub",)
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # streams that a test leaves half read
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
BOTH = pytest.mark.parametrize("kind", [InferenceClient, AsyncInferenceClient])
RECORDED = load("huggingface")
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def run(kind: Any, url: str, use: Any, **settings: Any) -> Any:
    """Gives a client of a server to ``use``; of a coroutine it returns, the result."""

    async def main() -> Any:
        result = use(kind(base_url=url, token="hf_x", **settings))
        return await result if inspect.isawaitable(result) else result

    return (
        asyncio.run(main())
        if kind is AsyncInferenceClient
        else use(kind(base_url=url, token="hf_x", **settings))
    )


def put(loopback: Loopback, exchange: Exchange) -> str:
    return loopback.put(exchange)


def chat(key: str, answer: Any, **further: Any) -> Exchange:
    return made_up(f"hf-{key}", "/v1/chat/completions", answer, **further)


@BOTH
@pytest.mark.parametrize("recorded", params(RECORDED))
def test_a_recorded_chat(memory: SpanMemory, loopback: Loopback, kind: Any, recorded: Exchange) -> None:
    sent, answer = recorded.request, recorded.answer
    served = chat(recorded.key, answer)
    arguments = {name: value for name, value in sent.items() if name != "stream"}
    result = run(kind, put(loopback, served) + "/v1", lambda client: client.chat_completion(**arguments))
    (span,) = memory.take()
    assert type(result).__name__ == "ChatCompletionOutput"
    assert (span["operation"], span["provider"], span["status"]) == ("chat", "huggingface", "unset")
    assert (span["request_model"], span["response_model"]) == (sent["model"], answer["model"])
    assert span["input_tokens"] == answer["usage"]["prompt_tokens"]
    assert span["output_tokens"] == answer["usage"]["completion_tokens"]
    (choice,) = answer["choices"]
    reason = {"tool_calls": "tool_call"}.get(choice["finish_reason"], choice["finish_reason"])
    assert span["finish_reasons"] == [reason]
    parts = span["output_messages"][0]["parts"]
    calls = [(p["name"], p["arguments"]) for p in parts if p["type"] == "tool_call"]
    assert calls == [
        (c["function"]["name"], json.loads(c["function"]["arguments"]))
        for c in choice["message"].get("tool_calls") or []
    ]
    if choice["message"]["content"]:
        assert choice["message"]["content"] in [p.get("content") for p in parts]
    names = [tool["name"] for tool in span["tool_definitions"] or []]
    assert names == [tool["function"]["name"] for tool in sent.get("tools", [])]


def chunks() -> list[Any]:
    head = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-1",
        "system_fingerprint": "",
    }
    delta = [{"role": "assistant", "content": "Hel"}, {"role": "assistant", "content": "lo"}]
    events = [{**head, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in delta]
    events.append({**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]})
    return [*events, {**head, "choices": [], "usage": USAGE}]


STREAM = {"headers": {"content-type": "text/event-stream"}}
ASKED = [{"role": "user", "content": "hi"}]


def read(client: Any, count: int = 99, **further: Any) -> Any:
    """Reads up to ``count`` chunks of a stream, then leaves it."""
    if not isinstance(client, AsyncInferenceClient):
        stream = client.chat_completion(ASKED, model="m", stream=True, **further)
        return [chunk for _, chunk in zip(range(count), stream, strict=False)]

    async def main() -> Any:
        seen: list[Any] = []
        stream = await client.chat_completion(ASKED, model="m", stream=True, **further)
        async for chunk in stream:
            seen.append(chunk)
            if len(seen) == count:
                break
        else:
            return seen
        await stream.aclose()
        return seen

    return main()


@BOTH
def test_a_stream_folds_to_the_whole_answer(memory: SpanMemory, loopback: Loopback, kind: Any) -> None:
    name = kind.__name__
    url = put(loopback, chat(f"stream-{name}", sse(*chunks()), **STREAM))
    seen = run(kind, url + "/v1", read)
    whole = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "system_fingerprint": "",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
    url = put(loopback, chat(f"whole-{name}", whole))
    run(kind, url + "/v1", lambda client: client.chat_completion(ASKED, model="m"))
    streamed, plain = memory.take()
    assert len(seen) == 4
    assert streamed["attributes"]["gen_ai.request.stream"] is True
    assert streamed["attributes"].pop("gen_ai.response.time_to_first_chunk") > 0
    for field in ("finish_reasons", "output_messages", "input_messages", "input_tokens", "output_tokens"):
        assert streamed[field] == plain[field], field
    assert streamed["response_model"] == "m-1"


@BOTH
def test_a_stream_closed_early_ends_the_span(memory: SpanMemory, loopback: Loopback, kind: Any) -> None:
    url = put(loopback, chat(f"early-{kind.__name__}", sse(*chunks()), **STREAM))
    run(kind, url + "/v1", lambda client: read(client, 1))
    gc.collect()
    (span,) = memory.take()
    assert span["attributes"]["spanwise.stream.incomplete"] is True
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": "Hel"}]


@BOTH
def test_a_stream_that_breaks_is_an_error(memory: SpanMemory, loopback: Loopback, kind: Any) -> None:
    url = put(loopback, chat(f"broken-{kind.__name__}", sse(*chunks()), cut_after=150, **STREAM))
    with pytest.raises(Exception):  # noqa: B017, PT011  each version has another HTTP client
        run(kind, url + "/v1", read)
    (span,) = memory.take()
    assert span["status"] == "error"


@BOTH
@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_refusal_passes_and_is_recorded(
    memory: SpanMemory, loopback: Loopback, kind: Any, status: int
) -> None:
    url = put(loopback, chat(f"{status}-{kind.__name__}", {"error": "no"}, status=status))
    with pytest.raises(Exception) as raised:  # noqa: PT011
        run(kind, url + "/v1", lambda client: client.chat_completion(ASKED, model="m"))
    (span,) = memory.take()
    assert span["status"] == "error"
    assert span["error_type"].rpartition(".")[2] == raised.type.__name__
    assert span["attributes"]["http.response.status_code"] == status


@BOTH
def test_a_server_that_is_away_is_an_error(memory: SpanMemory, kind: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011
        run(kind, "http://127.0.0.1:9/v1", lambda client: client.chat_completion(ASKED, model="m"))
    (span,) = memory.take()
    assert (span["status"], span["attributes"]["server.port"]) == ("error", 9)


async def test_a_cancelled_call_is_an_error(memory: SpanMemory, loopback: Loopback) -> None:
    url = put(loopback, chat("held", {"choices": []}, hold_after=2))
    client = AsyncInferenceClient(base_url=url + "/v1", token="hf_x")
    task = asyncio.ensure_future(client.chat_completion(ASKED, model="m"))
    await asyncio.to_thread(loopback.wait_held)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loopback.release()
    (span,) = memory.take()
    assert span["error_type"] == "asyncio.exceptions.CancelledError"


DETAILS = {"finish_reason": "eos_token", "generated_tokens": 2, "seed": 1, "prefill": [], "tokens": []}


@BOTH
def test_text_generation(memory: SpanMemory, loopback: Loopback, kind: Any) -> None:
    answer = [{"generated_text": "two words", "details": DETAILS}]
    url = loopback.put(made_up(f"hf-text-{kind.__name__}", "/", answer))
    options = {
        "max_new_tokens": 20,
        "temperature": 0.5,
        "top_k": 3,
        "seed": 1,
        "stop": ["END"],
        "details": True,
    }
    run(kind, url + "/", lambda client: client.text_generation("say two", **options))
    (span,) = memory.take()
    assert span["operation"] == "text_completion"
    assert span["input_messages"][0]["parts"] == [{"type": "text", "content": "say two"}]
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": "two words"}]
    assert (span["finish_reasons"], span["output_tokens"], span["input_tokens"]) == (["stop"], 2, None)
    attributes = span["attributes"]
    assert attributes["gen_ai.request.max_tokens"] == 20
    assert attributes["gen_ai.request.temperature"] == 0.5
    assert attributes["gen_ai.request.top_k"] == 3
    assert list(attributes["gen_ai.request.stop_sequences"]) == ["END"]


def test_streamed_text_generation_equals_the_whole(memory: SpanMemory, loopback: Loopback) -> None:
    def token(number: int, text: str) -> dict[str, Any]:
        return {"id": number, "text": text, "logprob": -0.1, "special": False}

    events = [
        {"index": 1, "token": token(1, "two"), "generated_text": None, "details": None},
        {"index": 2, "token": token(2, " words"), "generated_text": "two words", "details": DETAILS},
    ]
    body = sse(*events, done=False)
    url = loopback.put(made_up("hf-text-stream", "/", body, headers={"content-type": "text/event-stream"}))
    client = InferenceClient(base_url=url + "/", token="hf_x")
    texts = list(client.text_generation("say two", stream=True))
    url = loopback.put(made_up("hf-text-whole", "/", [{"generated_text": "two words", "details": DETAILS}]))
    InferenceClient(base_url=url + "/", token="hf_x").text_generation("say two", details=True)
    streamed, whole = memory.take()
    assert texts == ["two", " words"]
    for field in ("finish_reasons", "output_messages", "output_tokens"):
        assert streamed[field] == whole[field], field


@BOTH
@pytest.mark.parametrize(
    "answer",
    [[0.1, 0.2, 0.3], [[0.1, 0.2, 0.3]], [[[0.1, 0.2, 0.3], [1, 2, 3]]]],
    ids=["flat", "batch", "tokens"],
)
def test_embeddings_tell_their_length(memory: SpanMemory, loopback: Loopback, kind: Any, answer: Any) -> None:
    url = loopback.put(made_up(f"hf-embed-{kind.__name__}-{len(str(answer))}", "/", answer))
    run(kind, url + "/", lambda client: client.feature_extraction("some text"))
    (span,) = memory.take()
    assert span["operation"] == "embeddings"
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 3
    assert span["attributes"]["spanwise.embeddings.input"] == ["some text"]


def test_another_task_is_a_span_of_its_name(memory: SpanMemory, loopback: Loopback) -> None:
    url = loopback.put(made_up("hf-other", "/", [{"label": "good", "score": 0.9}]))
    InferenceClient(base_url=url + "/", token="hf_x").text_classification("fine")
    (span,) = memory.take()
    assert (span["operation"], span["provider"]) == ("text_classification", "huggingface")


def test_without_content_nothing_said_is_kept(loopback: Loopback) -> None:
    with traced(("huggingface_hub",), capture=False) as memory:
        url = put(loopback, chat("quiet", sse(*chunks()), **STREAM))
        read(InferenceClient(base_url=url + "/v1", token="hf_x"))
        (span,) = memory.take()
    assert (span["input_messages"], span["output_messages"]) == (None, None)
    assert span["output_tokens"] == 3


@pytest.mark.parametrize(
    ("url", "provider", "routed"),
    [
        ("https://router.huggingface.co/together/v1/chat/completions", "huggingface", "together"),
        ("https://router.huggingface.co/v1/chat/completions", "huggingface", None),
        ("https://router.huggingface.co/hf-inference/models/a/b", "huggingface", "hf-inference"),
        ("https://api.together.xyz/v1/chat/completions", "together_ai", None),
        ("http://localhost:8080/v1/chat/completions", "huggingface", None),
    ],
)
def test_who_answers_is_read_from_the_address(url: str, provider: str, routed: str | None) -> None:
    from spanwise.integrations import huggingface_hub as integration
    from spanwise.operation import Request

    request = Request("chat", "")
    integration._add_server(request, url)
    assert (request.provider, request.attributes.get("huggingface.inference_provider")) == (provider, routed)


@pytest.mark.parametrize("answer", [[0.5, 0.25, 1.0], [[0.5, 0.25, 1.0]], [[[0.5, 0.25, 1.0]]]])
def test_vectors_are_kept_where_they_are_asked_for(loopback: Loopback, answer: Any) -> None:
    url = loopback.put(made_up(f"hf-vectors-{len(str(answer))}", "/", answer))
    with traced(("huggingface_hub",), capture_embeddings=True) as memory:
        InferenceClient(base_url=url + "/", token="hf_x").feature_extraction("some text")
        (span,) = memory.take()
    vectors = span["attributes"].get("spanwise.embeddings.vectors")
    is_of_tokens = isinstance(answer[0], list) and isinstance(answer[0][0], list)
    assert (None if vectors is None else vectors["shape"]) == (None if is_of_tokens else [1, 3])
