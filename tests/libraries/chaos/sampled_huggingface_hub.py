"""Calls of Hugging Face's inference clients."""

import asyncio
from typing import Any

from cassettes import made_up, sse
from huggingface_hub import AsyncInferenceClient, InferenceClient
from loopback import Loopback

_ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": "",
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
        "model": "m",
        "system_fingerprint": "",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}],
    }
    for word in ("Pa", "ris", ".")
]


def _client(loopback: Loopback, kind: Any, key: str, body: Any, **further: Any) -> Any:
    return kind(base_url=loopback.put(made_up(key, "/v1/chat/completions", body, **further)), token="hf_x")


def _ask(client: Any, text: str, **options: Any) -> Any:
    return client.chat_completion([{"role": "user", "content": text}], model="m", **options)


def call(loopback: Loopback, text: str) -> Any:
    return _ask(_client(loopback, InferenceClient, "hf-call", _ANSWER), text)


def stream(loopback: Loopback, text: str) -> Any:
    headers = {"content-type": "text/event-stream"}
    client = _client(loopback, InferenceClient, "hf-stream", sse(*_CHUNKS), headers=headers)
    answer = _ask(client, text, stream=True)
    return type(answer), list(answer)


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        return await _ask(_client(loopback, AsyncInferenceClient, "hf-async", _ANSWER), text)

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    return _ask(_client(loopback, InferenceClient, "hf-refused", {"error": "no"}, status=400), text)


SAMPLES = {"call": call, "stream": stream, "async call": async_call, "refused": refused}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
