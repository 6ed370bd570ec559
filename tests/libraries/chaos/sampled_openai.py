"""Calls of the openai client."""

import asyncio
from typing import Any

import openai
from cassettes import made_up, sse
from loopback import Loopback

_ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
_CHUNKS = [
    {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}],
    }
    for word in ("Pa", "ris", ".")
]
_REFUSAL = {"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit", "param": None}}


def _client(loopback: Loopback, kind: Any, key: str, body: Any, **further: Any) -> Any:
    root = loopback.put(made_up(key, "/chat/completions", body, **further))
    return kind(api_key="k", base_url=root, max_retries=0)


def _ask(client: Any, text: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, **options)


def call(loopback: Loopback, text: str) -> Any:
    with _client(loopback, openai.OpenAI, "openai-call", _ANSWER) as client:
        return _ask(client, text)


def stream(loopback: Loopback, text: str) -> Any:
    headers = {"content-type": "text/event-stream"}
    with _client(loopback, openai.OpenAI, "openai-stream", sse(*_CHUNKS), headers=headers) as client:
        answer = _ask(client, text, stream=True)
        return type(answer), list(answer)


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        async with _client(loopback, openai.AsyncOpenAI, "openai-async", _ANSWER) as client:
            return await _ask(client, text)

    return asyncio.run(ask())


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        headers = {"content-type": "text/event-stream"}
        kind = openai.AsyncOpenAI
        async with _client(loopback, kind, "openai-astream", sse(*_CHUNKS), headers=headers) as client:
            answer = await _ask(client, text, stream=True)
            return type(answer), [chunk async for chunk in answer]

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    with _client(loopback, openai.OpenAI, "openai-refused", _REFUSAL, status=429) as client:
        return _ask(client, text)


SAMPLES = {
    "call": call,
    "stream": stream,
    "async call": async_call,
    "async stream": async_stream,
    "refused": refused,
}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
