"""The calls that ``sdk_overhead`` measures, one row of its table each: the same for every subject."""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

QUESTION = "How long does a call take when it is traced, and how long when it is not? " * 30
SYSTEM = "You answer in one sentence. " * 8
CONCURRENT = 50
STREAM_CHUNKS = 200
SHORT_STREAM, LONG_STREAM = 20, 820
OPENAI_ONLY = ("openai-v2", "langfuse")
"""Subjects that trace no Anthropic client themselves."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of call. ``run`` makes ``calls`` of them, by hand inside of spans if told so."""

    name: str
    calls: int
    run: Callable[[bool], None]
    provider: str


class Calls:
    """Makes calls of both clients against the model server.

    Args:
        model: Its URL.
    """

    def __init__(self, model: str) -> None:
        openai, anthropic = importlib.import_module("openai"), importlib.import_module("anthropic")
        own: dict[str, Any] = {"api_key": "sk-benchmark", "max_retries": 0}
        silent = dict(own)
        if "open_telemetry" in inspect.signature(anthropic.Anthropic.__init__).parameters:
            silent["open_telemetry"] = False  # its own spans, in the bare client too
        self._openai = openai.OpenAI(base_url=f"{model}/v1", **own)
        self._async_openai = openai.AsyncOpenAI(base_url=f"{model}/v1", **own)
        self._anthropic = anthropic.Anthropic(base_url=model, **silent)
        self._async_anthropic = anthropic.AsyncAnthropic(base_url=model, **silent)
        self._loop = asyncio.new_event_loop()

    def rows(self) -> list[Row]:
        """Returns the rows of the table."""
        # Looked up at each call: a bound method would be the one from before it was patched.
        openai = _late(lambda: self._openai.chat.completions)
        async_openai = _late(lambda: self._async_openai.chat.completions)
        embeddings = _late(lambda: self._openai.embeddings)
        anthropic = _late(lambda: self._anthropic.messages)
        async_anthropic = _late(lambda: self._async_anthropic.messages)
        return [
            Row("openai chat", 50, self._repeated(openai, 50, _chat()), "openai"),
            Row("openai async chat at 50", 50, self._gathered(async_openai, _chat()), "openai"),
            Row("openai stream", 5, self._streamed(openai, 5, _chat(), STREAM_CHUNKS), "openai"),
            Row(
                "openai embeddings",
                50,
                self._repeated(embeddings, 50, _texts()),
                "openai",
            ),
            Row("openai error", 25, self._repeated(openai, 25, _chat("error")), "openai"),
            Row("anthropic chat", 50, self._repeated(anthropic, 50, _message()), "anthropic"),
            Row("anthropic async chat at 50", 50, self._gathered(async_anthropic, _message()), "anthropic"),
            Row("anthropic stream", 5, self._streamed(anthropic, 5, _message(), STREAM_CHUNKS), "anthropic"),
            Row("anthropic error", 25, self._repeated(anthropic, 25, _message("error")), "anthropic"),
            Row("short stream", 10, self._streamed(openai, 10, _chat(), SHORT_STREAM), "openai"),
            Row("long stream", 5, self._streamed(openai, 5, _chat(), LONG_STREAM), "openai"),
        ]

    def _repeated(self, create: Any, count: int, asked: dict[str, Any]) -> Callable[[bool], None]:
        operation, provider = _kind(asked)

        def run(is_by_hand: bool) -> None:
            if is_by_hand:
                from _overhead_by_hand import call
            for _ in range(count):
                try:
                    call(create, operation, provider, asked) if is_by_hand else create(**asked)
                except Exception as error:
                    if getattr(error, "status_code", None) != 400:
                        raise

        return run

    def _gathered(self, create: Any, asked: dict[str, Any]) -> Callable[[bool], None]:
        operation, provider = _kind(asked)

        async def gather(is_by_hand: bool) -> None:
            if is_by_hand:
                from _overhead_by_hand import acall

                calls = [acall(create, operation, provider, asked) for _ in range(CONCURRENT)]
            else:
                calls = [create(**asked) for _ in range(CONCURRENT)]
            await asyncio.gather(*calls)

        return lambda is_by_hand: self._loop.run_until_complete(gather(is_by_hand))

    def _streamed(
        self, create: Any, count: int, asked: dict[str, Any], chunks: int
    ) -> Callable[[bool], None]:
        operation, provider = _kind(asked)
        asked = {**asked, "stream": True, "max_tokens": chunks}

        def chunks_of(is_by_hand: bool) -> Iterator[Any]:
            if is_by_hand:
                from _overhead_by_hand import stream

                return stream(create, operation, provider, asked)
            found: Iterator[Any] = create(**asked)
            return found

        def run(is_by_hand: bool) -> None:
            for _ in range(count):
                for _chunk in chunks_of(is_by_hand):
                    pass

        return run


def _late(resource: Callable[[], Any]) -> Callable[..., Any]:
    return lambda **asked: resource().create(**asked)


def _kind(asked: dict[str, Any]) -> tuple[str, str]:
    operation = "embeddings" if "input" in asked else "chat"
    return operation, "anthropic" if "claude" in asked["model"] else "openai"


def _chat(model: str = "gpt-4o-mini") -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    return {"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 300}


def _message(model: str = "claude-haiku-4-5") -> dict[str, Any]:
    messages = [{"role": "user", "content": SYSTEM + QUESTION}]
    name = "claude-error" if model == "error" else model
    return {"model": name, "messages": messages, "max_tokens": 300}


def _texts() -> dict[str, Any]:
    return {"model": "text-embedding-3-small", "input": [QUESTION[:600]] * 4, "encoding_format": "float"}
