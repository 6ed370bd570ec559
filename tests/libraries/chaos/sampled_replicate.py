"""Runs and streams of the replicate client."""

import asyncio
from typing import Any

import httpx
import replicate
from loopback import Loopback

_PREDICTION = {
    "id": "p1",
    "model": "meta/llama",
    "version": "v1",
    "status": "succeeded",
    "input": {},
    "output": ["Pa", "ris", "."],
    "urls": {"stream": "http://127.0.0.1/stream"},
}
_EVENTS = "".join(
    f"event: {kind}\nid: {number}\ndata: {data}\n\n"
    for number, (kind, data) in enumerate([("output", "Pa"), ("output", "ris"), ("done", "{}")])
)


def _client(status: int = 201) -> Any:
    """A client whose requests are answered in this process: it asks at several addresses in one call."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=_EVENTS)
        return httpx.Response(
            status, json=_PREDICTION if status < 400 else {"detail": "no", "status": status}
        )

    return replicate.Client(api_token="k", transport=httpx.MockTransport(answer))


def call(loopback: Loopback, text: str) -> Any:
    made = _client().models.predictions.create("meta/llama", input={"prompt": text})
    return made.output, _client().run("meta/llama", input={"prompt": text})


def stream(loopback: Loopback, text: str) -> Any:
    events = _client().stream("meta/llama", input={"prompt": text})
    return type(events), [str(event) for event in events]


def async_call(loopback: Loopback, text: str) -> Any:
    return asyncio.run(_client().async_run("meta/llama", input={"prompt": text}))


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        events = await _client().async_stream("meta/llama", input={"prompt": text})
        return type(events), [str(event) async for event in events]

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    return _client(401).run("meta/llama", input={"prompt": text})


SAMPLES = {
    "call": call,
    "stream": stream,
    "async call": async_call,
    "async stream": async_stream,
    "refused": refused,
}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
