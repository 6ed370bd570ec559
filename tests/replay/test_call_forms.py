"""Every form in which the clients offer a call is one span with the same content, and returns what it did."""

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from comparison import summary
from pydantic import BaseModel
from recordings import Recording
from replay_server import ReplayServer
from span_memory import SpanMemory

HAS_RESPONSES = hasattr(openai.OpenAI, "responses") or "responses" in openai.OpenAI.__annotations__
HAS_HELPERS = HAS_RESPONSES and hasattr(openai.resources.chat.Completions, "parse")
HAS_BETA_HELPER = hasattr(anthropic.resources.beta.messages.Messages, "stream")
needs_helpers = pytest.mark.skipif(not HAS_HELPERS, reason="this openai has no such method")
needs_beta_helper = pytest.mark.skipif(not HAS_BETA_HELPER, reason="this anthropic has no such method")

TEXT = "It is 21 °C in Zürich — mild."
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
RESPONSES_USAGE = {
    "input_tokens": 20,
    "output_tokens": 9,
    "total_tokens": 29,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens_details": {"reasoning_tokens": 4},
}
ANTHROPIC_USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 8,
    "cache_creation_input_tokens": 2,
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
}
ASKED = [{"role": "user", "content": "Weather?"}]
EXPECTED = {
    "operation": "chat",
    "request_model": "m",
    "response_model": "m-2026",
    "finish_reasons": ["stop"],
    "input_tokens": 20,
    "output_tokens": 9,
    "cached_input_tokens": 8,
    "reasoning_output_tokens": 4,
    "status": "unset",
    "error_message": None,
    "input": [{"role": "user", "text": "Weather?"}],
    "output": [{"role": "assistant", "text": TEXT}],
    "tools": [],
    "embedded": None,
}


class Weather(BaseModel):
    """What the structured answers hold."""

    degrees: int


def sse(*events: Any) -> str:
    """Returns events as a stream in OpenAI's framing."""
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def named_sse(*events: dict[str, Any]) -> str:
    """Returns events as a stream with event names, as Anthropic and the Responses API send it."""
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def chat_answer(content: str) -> dict[str, Any]:
    """Returns an unstreamed chat completion."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m-2026"}
    return {**head, "choices": [choice], "usage": USAGE}


def chat_chunks(content: str) -> list[dict[str, Any]]:
    """Returns the same chat completion as chunks."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026"}
    pieces = [content[at : at + 3] for at in range(0, len(content), 3)]
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces] + [({}, "stop")]
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas
    ]
    return [*chunks, {**head, "choices": [], "usage": USAGE}]


def response_answer(content: str, status: str = "completed") -> dict[str, Any]:
    """Returns an answer of the Responses API."""
    part = {"type": "output_text", "text": content, "annotations": []}
    item = {"type": "message", "id": "i1", "status": "completed", "role": "assistant", "content": [part]}
    head = {"id": "r1", "object": "response", "created_at": 1, "model": "m-2026", "status": status}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None}
    return {**head, **rest, "output": [item], "usage": RESPONSES_USAGE}


def response_events(content: str) -> list[dict[str, Any]]:
    """Returns the same answer as stream events."""
    whole = response_answer(content)
    empty = {**whole, "status": "in_progress", "output": [], "usage": None}
    item = whole["output"][0]
    place = {"item_id": "i1", "output_index": 0, "content_index": 0}
    pieces = [content[at : at + 3] for at in range(0, len(content), 3)]
    events = [
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {
            "type": "response.content_part.added",
            **place,
            "part": {"type": "output_text", "text": "", "annotations": []},
        },
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in pieces
        ),
        {"type": "response.output_text.done", **place, "text": content, "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def message_answer(content: str) -> dict[str, Any]:
    """Returns an answer of Anthropic's messages."""
    head = {"id": "a1", "type": "message", "role": "assistant", "model": "m-2026"}
    ending = {"stop_reason": "end_turn", "stop_sequence": None, "usage": ANTHROPIC_USAGE}
    return {**head, "content": [{"type": "text", "text": content}], **ending}


def message_events(content: str) -> list[dict[str, Any]]:
    """Returns the same answer as stream events."""
    whole = message_answer(content)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
    pieces = [content[at : at + 3] for at in range(0, len(content), 3)]
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in pieces
    ]
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]


def recorded(key: str, path: str, answer: Any, status: int = 200) -> Recording:
    """Returns an exchange that this file made up, to be served like a recorded one."""
    is_stream = isinstance(answer, str)
    return Recording(
        file=key,
        line=0,
        id=key,
        method="POST",
        path=path,
        status=status,
        content_type="text/event-stream" if is_stream else "application/json",
        request={},
        answer=answer if is_stream else json.dumps(answer),
        features=(),
    )


STRUCTURED = '{"degrees": 21}'
MADE_UP = [
    recorded("chat", "/v1/chat/completions", chat_answer(TEXT)),
    recorded("chat-stream", "/v1/chat/completions", sse(*chat_chunks(TEXT))),
    recorded("chat-json", "/v1/chat/completions", chat_answer(STRUCTURED)),
    recorded("chat-long", "/v1/chat/completions", sse(*chat_chunks(TEXT * 200))),
    recorded("responses", "/v1/responses", response_answer(TEXT)),
    recorded("responses-stream", "/v1/responses", named_sse(*response_events(TEXT))),
    recorded("responses-json", "/v1/responses", response_answer(STRUCTURED)),
    recorded("messages", "/v1/messages", message_answer(TEXT)),
    recorded("messages-stream", "/v1/messages", named_sse(*message_events(TEXT))),
    recorded("count", "/v1/messages/count_tokens", {"input_tokens": 3}),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer(MADE_UP).running() as running:
        yield running


@pytest.fixture
def client_of(server: ReplayServer) -> Iterator[Any]:
    """Returns a function that makes a client for one made-up exchange; all are closed at the end."""
    made: list[Any] = []

    def make(kind: type, key: str) -> Any:
        library = anthropic if "nthropic" in kind.__name__ else openai
        http = library.DefaultAsyncHttpxClient if "Async" in kind.__name__ else library.DefaultHttpxClient
        base = f"{server.url}/{key}-00" + ("" if library is anthropic else "/v1")
        made.append(kind(base_url=base, api_key="k", max_retries=0, http_client=http(verify=False)))
        return made[-1]

    yield make
    for client in made:
        if isinstance(client, (openai.OpenAI, anthropic.Anthropic)):
            client.close()


def only(memory: SpanMemory) -> dict[str, Any]:
    """Returns the one span there is."""
    spans = memory.take()
    assert len(spans) == 1, [span["name"] for span in spans]
    return spans[0]


def open_requests(client: Any) -> int:
    """Returns how many requests of a client have not given their connection back."""
    return len(client._client._transport._pool._requests)


def assert_whole(memory: SpanMemory, **other: Any) -> None:
    """Checks the one span against everything the made-up exchange holds."""
    assert summary(only(memory)) == EXPECTED | other


JSON_OUTPUT = {"output": [{"role": "assistant", "text": STRUCTURED}]}


# --- openai, synchronous ---


def test_raw_response_is_read_before_it_is_parsed(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat")
    raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED)
    assert type(raw).__name__ == "LegacyAPIResponse"
    assert_whole(memory)
    assert type(raw.parse()).__name__ == "ChatCompletion"
    assert raw.parse().choices[0].message.content == TEXT
    assert memory.take() == []


def test_raw_stream_is_followed_when_it_is_parsed_late(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-stream")
    raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED, stream=True)
    assert memory.take() == []
    stream = raw.parse()
    assert type(stream) is openai.Stream
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == TEXT
    assert_whole(memory)


READS = {
    "parse": lambda response: response.parse(),
    "json": lambda response: response.json(),
    "text": lambda response: response.text(),
    "read": lambda response: response.read(),
    "iter_lines": lambda response: list(response.iter_lines()),
    "iter_bytes": lambda response: list(response.iter_bytes(5)),
    "iter_text": lambda response: list(response.iter_text()),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("key", ["chat", "chat-stream"])
def test_streaming_response_is_read_in_any_way(
    client_of: Any, memory: SpanMemory, read: str, key: str
) -> None:
    if read == "json" and key == "chat-stream":
        return  # a stream is no JSON document
    client = client_of(openai.OpenAI, key)
    further = {"stream": True} if key == "chat-stream" else {}
    with client.chat.completions.with_streaming_response.create(
        model="m", messages=ASKED, **further
    ) as response:
        assert type(response).__name__ == "APIResponse"
        answer = READS[read](response)
        if isinstance(answer, openai.Stream):
            assert len(list(answer)) == len(chat_chunks(TEXT))
        assert_whole(memory)
    assert memory.take() == []


def test_streaming_response_that_is_never_read_ends_at_close(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat")
    with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED):
        assert memory.take() == []
    span = only(memory)
    assert (span["status"], span["input_tokens"], span["output_messages"]) == ("unset", None, None)


@needs_helpers
@pytest.mark.parametrize("is_beta", [False, True])
def test_parsed_chat_completion(client_of: Any, memory: SpanMemory, is_beta: bool) -> None:
    client = client_of(openai.OpenAI, "chat-json")
    resource = client.beta.chat.completions if is_beta else client.chat.completions
    answer = resource.parse(model="m", messages=ASKED, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(degrees=21)
    span = only(memory)
    assert summary(span) == EXPECTED | JSON_OUTPUT
    assert span["attributes"]["gen_ai.output.type"] == "json"


@needs_helpers
def test_chat_stream_helper(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-stream")
    with client.chat.completions.stream(model="m", messages=ASKED) as stream:
        events = list(stream)
        assert stream.get_final_completion().choices[0].message.content == TEXT
    assert type(stream).__name__ == "ChatCompletionStream"
    assert events
    assert_whole(memory)


@needs_helpers
def test_chat_stream_helper_left_early_keeps_what_came(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-stream")
    with client.chat.completions.stream(model="m", messages=ASKED) as stream:
        for event in stream:
            if event.type == "content.delta" and event.delta:
                break
    span = only(memory)
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": TEXT[:3]}]
    assert (span["status"], span["finish_reasons"], span["input_tokens"]) == ("unset", None, None)


def test_stream_closed_early_ends_its_span_once(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-long")
    stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    next(stream), next(stream)
    stream.close()
    stream.close()
    span = only(memory)
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": TEXT[:3]}]
    del stream
    gc.collect()
    assert memory.take() == []


def test_stream_left_by_an_exception_ends_its_span(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-long")

    def read() -> None:
        with client.chat.completions.create(model="m", messages=ASKED, stream=True) as stream:
            for _ in stream:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    assert only(memory)["status"] == "unset"


def test_dropped_stream_ends_its_span_when_collected(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "chat-long")
    stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    next(stream)
    del stream
    gc.collect()
    assert only(memory)["response_model"] == "m-2026"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [openai.OpenAI, anthropic.Anthropic])
def test_streams_left_early_give_their_connections_back(
    client_of: Any, memory: SpanMemory, kind: type
) -> None:
    client = client_of(kind, "chat-long" if kind is openai.OpenAI else "messages-stream")
    for _ in range(3):
        asked = {"model": "m", "messages": ASKED, "stream": True}
        for _chunk in (
            client.chat.completions.create(**asked)
            if kind is openai.OpenAI
            else client.messages.create(max_tokens=9, **asked)
        ):
            break
        gc.collect()
    assert open_requests(client) == 0
    assert len(memory.take()) == 3


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
async def test_async_streams_left_early_give_their_connections_back(
    client_of: Any, memory: SpanMemory
) -> None:
    client = client_of(openai.AsyncOpenAI, "chat-long")
    for _ in range(3):
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        await stream.__anext__()
        del stream
        gc.collect()
        while open_requests(client):
            await asyncio.sleep(0)  # the loop closes what the collector found
    assert len(memory.take()) == 3
    await client.close()


@needs_helpers
def test_responses_in_every_form(client_of: Any, memory: SpanMemory) -> None:
    plain = client_of(openai.OpenAI, "responses")
    assert type(plain.responses.create(model="m", input="Weather?")).__name__ == "Response"
    assert_whole(memory)
    streamed = client_of(openai.OpenAI, "responses-stream")
    stream = streamed.responses.create(model="m", input="Weather?", stream=True)
    assert (type(stream), len(list(stream))) == (openai.Stream, len(response_events(TEXT)))
    assert_whole(memory)
    with streamed.responses.stream(model="m", input="Weather?") as helper:
        assert helper.until_done().get_final_response().output_text == TEXT
    assert_whole(memory)
    parsed = client_of(openai.OpenAI, "responses-json").responses.parse(
        model="m", input="Weather?", text_format=Weather
    )
    assert parsed.output_parsed == Weather(degrees=21)
    assert_whole(memory, **JSON_OUTPUT)


@needs_helpers
def test_responses_stream_left_early_keeps_what_came(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.OpenAI, "responses-stream")
    with client.responses.create(model="m", input="Weather?", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    span = only(memory)
    assert span["output_messages"] == [
        {"role": "assistant", "parts": [{"type": "text", "content": TEXT[:3]}]}
    ]
    assert (span["response_model"], span["finish_reasons"]) == ("m-2026", None)


def test_without_content_nothing_that_was_written_is_kept(client_of: Any) -> None:
    from span_memory import traced

    with traced(capture=False) as memory:
        client = client_of(openai.OpenAI, "chat-stream")
        list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
        client_of(openai.OpenAI, "chat").chat.completions.create(model="m", messages=ASKED)
        spans = memory.take()
        assert memory.content == {}
    assert [span["input_tokens"] for span in spans] == [20, 20]
    assert TEXT not in str(spans)


# --- openai, asynchronous ---


@needs_helpers
async def test_async_forms(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.AsyncOpenAI, "chat-stream")
    stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
    assert type(stream) is openai.AsyncStream
    assert len([chunk async for chunk in stream]) == len(chat_chunks(TEXT))
    assert_whole(memory)
    async with client.chat.completions.stream(model="m", messages=ASKED) as helper:
        assert (await helper.get_final_completion()).choices[0].message.content == TEXT
    assert_whole(memory)
    raw = await client.chat.completions.with_raw_response.create(model="m", messages=ASKED, stream=True)
    assert len([chunk async for chunk in raw.parse()]) == len(chat_chunks(TEXT))
    assert_whole(memory)
    async with client.chat.completions.with_streaming_response.create(
        model="m", messages=ASKED, stream=True
    ) as response:
        assert [line async for line in response.iter_lines()]
    assert_whole(memory)
    async with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED, stream=True):
        pass
    assert only(memory)["output_messages"] is None
    await client.close()


@needs_helpers
async def test_async_unstreamed_forms(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.AsyncOpenAI, "chat-json")
    parsed = await client.chat.completions.parse(model="m", messages=ASKED, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(degrees=21)
    assert_whole(memory, **JSON_OUTPUT)
    async with client.chat.completions.with_streaming_response.create(model="m", messages=ASKED) as response:
        assert (await response.parse()).model == "m-2026"
    assert_whole(memory, **JSON_OUTPUT)
    await client.close()


async def test_cancelled_stream_ends_once_with_what_came(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.AsyncOpenAI, "chat-long")
    first = asyncio.Event()

    async def read() -> None:
        async for _ in await client.chat.completions.create(model="m", messages=ASKED, stream=True):
            first.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    gc.collect()
    assert only(memory)["response_model"] == "m-2026"


async def test_async_stream_closed_early(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(openai.AsyncOpenAI, "chat-long")
    stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
    await stream.__anext__()
    await stream.close()
    assert only(memory)["response_model"] == "m-2026"
    await client.close()


# --- anthropic ---


def test_anthropic_forms(client_of: Any, memory: SpanMemory) -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": ASKED}
    plain, streamed = (client_of(anthropic.Anthropic, key) for key in ("messages", "messages-stream"))
    assert type(plain.messages.create(**asked)).__name__ == "Message"
    assert_whole(memory)
    assert plain.messages.with_raw_response.create(**asked).parse().content[0].text == TEXT
    assert_whole(memory)
    with plain.messages.with_streaming_response.create(**asked) as response:
        assert response.parse().content[0].text == TEXT
    assert_whole(memory)
    stream = streamed.messages.create(**asked, stream=True)
    assert (type(stream), list(stream) != []) == (anthropic.Stream, True)
    assert_whole(memory)
    assert list(streamed.messages.with_raw_response.create(**asked, stream=True).parse())
    assert_whole(memory)


@pytest.mark.parametrize("is_beta", [False, pytest.param(True, marks=needs_beta_helper)])
def test_anthropic_stream_helper(client_of: Any, memory: SpanMemory, is_beta: bool) -> None:
    client = client_of(anthropic.Anthropic, "messages-stream")
    resource = client.beta.messages if is_beta else client.messages
    with resource.stream(model="m", max_tokens=9, messages=ASKED) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().usage.output_tokens == 9
    assert type(stream).__name__ == ("BetaMessageStream" if is_beta else "MessageStream")
    assert_whole(memory)


def test_anthropic_stream_helper_left_early(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(anthropic.Anthropic, "messages-stream")
    with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
        assert next(iter(stream.text_stream)) == TEXT[:3]
    span = only(memory)
    assert span["status"] == "unset"
    assert TEXT.startswith(span["output_messages"][0]["parts"][0]["content"])
    if HAS_BETA_HELPER:  # older helpers read the bytes themselves, and with them more than they hand out
        assert span["output_messages"][0]["parts"] == [{"type": "text", "content": TEXT[:3]}]
        assert (span["finish_reasons"], span["input_tokens"], span["output_tokens"]) == (None, 20, 1)


@needs_helpers
def test_stream_helper_that_is_never_entered_is_no_call(client_of: Any, memory: SpanMemory) -> None:
    client_of(anthropic.Anthropic, "messages-stream").messages.stream(model="m", max_tokens=9, messages=ASKED)
    client_of(openai.OpenAI, "chat-stream").chat.completions.stream(model="m", messages=ASKED)
    gc.collect()
    assert memory.take() == []


async def test_anthropic_async_forms(client_of: Any, memory: SpanMemory) -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": ASKED}
    client = client_of(anthropic.AsyncAnthropic, "messages-stream")
    async with client.messages.stream(**asked) as stream:
        assert "".join([text async for text in stream.text_stream]) == TEXT
    assert_whole(memory)
    events = await client.messages.create(**asked, stream=True)
    assert type(events) is anthropic.AsyncStream
    assert [event async for event in events]
    assert_whole(memory)
    async with client.messages.with_streaming_response.create(**asked, stream=True) as response:
        assert [event async for event in await response.parse()]
    assert_whole(memory)
    await client.close()


@needs_beta_helper
def test_counting_tokens_is_no_model_call(client_of: Any, memory: SpanMemory) -> None:
    client = client_of(anthropic.Anthropic, "count")
    assert client.messages.count_tokens(model="m", messages=ASKED).input_tokens == 3
    assert memory.take() == []
