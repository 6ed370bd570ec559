"""Calls of the google-genai client."""

import asyncio
import warnings
from typing import Any

from cassettes import made_up, sse
from google import genai
from loopback import Loopback


def _answer(text: str) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}


_STREAM = sse(*(_answer(word) for word in ("Pa", "ris", ".")), done=False)
_REFUSAL = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}


def _client(loopback: Loopback, key: str, method: str, body: Any, **further: Any) -> Any:
    options = {
        "base_url": loopback.put(made_up(f"google-{key}", f"/v1beta/models/m:{method}", body, **further)),
        "api_version": "v1beta",
        "client_args": {"verify": False},
        "async_client_args": {"verify": False, "ssl": False},
        "retry_options": {"attempts": 1},
    }
    return genai.Client(api_key="k", http_options=options)


def _told(answer: Any) -> Any:
    return type(answer), answer.model_dump(exclude={"sdk_http_response"})


def call(loopback: Loopback, text: str) -> Any:
    client = _client(loopback, "call", "generateContent", _answer("Paris."))
    return _told(client.models.generate_content(model="m", contents=text))


def stream(loopback: Loopback, text: str) -> Any:
    headers = {"content-type": "text/event-stream"}
    client = _client(loopback, "stream", "streamGenerateContent", _STREAM, headers=headers)
    chunks = client.models.generate_content_stream(model="m", contents=text)
    return type(chunks), [_told(chunk) for chunk in chunks]


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        client = _client(loopback, "async", "generateContent", _answer("Paris."))
        return _told(await client.aio.models.generate_content(model="m", contents=text))

    return _run(ask())


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        headers = {"content-type": "text/event-stream"}
        client = _client(loopback, "astream", "streamGenerateContent", _STREAM, headers=headers)
        chunks = await client.aio.models.generate_content_stream(model="m", contents=text)
        return type(chunks), [_told(chunk) async for chunk in chunks]

    return _run(ask())


def _run(asked: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client inherits from aiohttp's session and never closes it
        return asyncio.run(asked)


def refused(loopback: Loopback, text: str) -> Any:
    client = _client(loopback, "refused", "generateContent", _REFUSAL, status=429)
    return _told(client.models.generate_content(model="m", contents=text))


SAMPLES = {
    "call": call,
    "stream": stream,
    "async call": async_call,
    "async stream": async_stream,
    "refused": refused,
}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
