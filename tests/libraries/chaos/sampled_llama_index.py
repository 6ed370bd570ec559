"""Chats and tools of LlamaIndex."""

import asyncio
from typing import Any

from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.tools import FunctionTool
from loopback import Loopback


def _look_up(city: str) -> str:
    """Looks a city up."""
    return "Paris"


def _explode(city: str) -> str:
    """Fails."""
    raise ValueError("no")


def _asked(text: str) -> Any:
    return [ChatMessage(role="user", content=text)]


def call(loopback: Loopback, text: str) -> Any:
    found = FunctionTool.from_defaults(_look_up).call(city="Paris")
    return MockLLM(max_tokens=2).chat(_asked(text)).message.content, found.content


def stream(loopback: Loopback, text: str) -> Any:
    answer = MockLLM(max_tokens=2).stream_chat(_asked(text))
    return type(answer), [piece.delta for piece in answer]


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        return (await MockLLM(max_tokens=2).achat(_asked(text))).message.content

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    return FunctionTool.from_defaults(_explode).call(city=text)


SAMPLES = {"call": call, "stream": stream, "async call": async_call, "refused": refused}
