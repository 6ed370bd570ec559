"""Calls of the anthropic client."""

import asyncio
from typing import Any

import anthropic
from cassettes import made_up
from loopback import Loopback

_ANSWER = {
    "id": "m-1",
    "type": "message",
    "role": "assistant",
    "model": "claude-of-tests",
    "content": [{"type": "text", "text": "Paris."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
_EVENTS = b"".join(
    b"event: " + name + b"\ndata: " + data + b"\n\n"
    for name, data in (
        (
            b"message_start",
            b'{"type":"message_start","message":{"id":"m-1","type":"message","role":"assistant",'
            b'"model":"claude-of-tests","content":[],"stop_reason":null,"stop_sequence":null,'
            b'"usage":{"input_tokens":3,"output_tokens":1}}}',
        ),
        (
            b"content_block_start",
            b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        ),
        (
            b"content_block_delta",
            b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Paris."}}',
        ),
        (b"content_block_stop", b'{"type":"content_block_stop","index":0}'),
        (
            b"message_delta",
            b'{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
            b'"usage":{"output_tokens":2}}',
        ),
        (b"message_stop", b'{"type":"message_stop"}'),
    )
)
_REFUSAL = {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}
_STREAMED = {"content-type": "text/event-stream"}


def _client(loopback: Loopback, kind: Any, key: str, body: Any, **further: Any) -> Any:
    root = loopback.put(made_up(key, "/v1/messages", body, **further))
    return kind(api_key="k", base_url=root, max_retries=0)


def _ask(client: Any, text: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.messages.create(model="claude-of-tests", max_tokens=9, messages=messages, **options)


def call(loopback: Loopback, text: str) -> Any:
    with _client(loopback, anthropic.Anthropic, "anthropic-call", _ANSWER) as client:
        return _ask(client, text)


def stream(loopback: Loopback, text: str) -> Any:
    with _client(loopback, anthropic.Anthropic, "anthropic-stream", _EVENTS, headers=_STREAMED) as client:
        answer = _ask(client, text, stream=True)
        return type(answer), list(answer)


def stream_helper(loopback: Loopback, text: str) -> Any:
    messages = [{"role": "user", "content": text}]
    with (
        _client(loopback, anthropic.Anthropic, "anthropic-helper", _EVENTS, headers=_STREAMED) as client,
        client.messages.stream(model="claude-of-tests", max_tokens=9, messages=messages) as answer,
    ):
        return type(answer), list(answer.text_stream), answer.get_final_message()


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        async with _client(loopback, anthropic.AsyncAnthropic, "anthropic-async", _ANSWER) as client:
            return await _ask(client, text)

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    with _client(loopback, anthropic.Anthropic, "anthropic-refused", _REFUSAL, status=529) as client:
        return _ask(client, text)


SAMPLES = {
    "call": call,
    "stream": stream,
    "stream helper": stream_helper,
    "async call": async_call,
    "refused": refused,
}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
