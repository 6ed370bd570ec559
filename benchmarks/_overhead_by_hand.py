"""Spans written by hand around the calls, with the attributes that Spanwise records, to compare with."""

import json
from collections.abc import Iterator
from typing import Any

from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer, use_span

tracer: Tracer = NoOpTracer()
"""Replaced when the subject is set up."""


def open_span(operation: str, provider: str, asked: dict[str, Any]) -> Span:
    """Starts the span of a call with what is asked."""
    span = tracer.start_span(f"{operation} {asked['model']}", kind=SpanKind.CLIENT)
    span.set_attribute("gen_ai.operation.name", operation)
    span.set_attribute("gen_ai.provider.name", provider)
    span.set_attribute("gen_ai.request.model", asked["model"])
    for name in ("temperature", "max_tokens"):
        if name in asked:
            span.set_attribute(f"gen_ai.request.{name}", asked[name])
    span.set_attribute("server.address", "127.0.0.1")
    span.set_attribute("server.port", 8000)
    if "input" in asked:
        span.set_attribute("spanwise.embeddings.input", json.dumps(asked["input"]))
    else:
        messages = [
            {"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]}
            for each in asked["messages"]
        ]
        span.set_attribute("gen_ai.input.messages", json.dumps(messages))
    return span


def close_span(span: Span, answer: Any, text: str | None = None) -> None:
    """Ends the span with what was answered; ``text`` is that of a stream."""
    if answer is not None:
        span.set_attribute("gen_ai.response.id", getattr(answer, "id", None) or "")
        span.set_attribute("gen_ai.response.model", answer.model)
        choices = getattr(answer, "choices", None)
        if choices and text is None:
            span.set_attribute("gen_ai.response.finish_reasons", [each.finish_reason for each in choices])
            text = choices[0].message.content
        elif getattr(answer, "content", None):
            span.set_attribute("gen_ai.response.finish_reasons", [answer.stop_reason])
            text = answer.content[0].text
        _add_usage(span, getattr(answer, "usage", None))
    if text is not None:
        parts = [{"type": "text", "content": text}]
        span.set_attribute("gen_ai.output.messages", json.dumps([{"role": "assistant", "parts": parts}]))
    span.end()


def fail_span(span: Span, error: Exception) -> None:
    """Ends the span of a call that failed."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()


def _add_usage(span: Span, usage: Any) -> None:
    if usage is None:
        return
    for field, key in (
        ("prompt_tokens", "input_tokens"),
        ("input_tokens", "input_tokens"),
        ("completion_tokens", "output_tokens"),
        ("output_tokens", "output_tokens"),
        ("cache_read_input_tokens", "cache_read.input_tokens"),
    ):
        count = getattr(usage, field, None)
        if count is not None:
            span.set_attribute(f"gen_ai.usage.{key}", count)
    details = getattr(usage, "prompt_tokens_details", None)
    if details is not None:
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", details.cached_tokens)
        span.set_attribute("gen_ai.usage.audio.input_tokens", details.audio_tokens)
        made = usage.completion_tokens_details
        span.set_attribute("gen_ai.usage.reasoning.output_tokens", made.reasoning_tokens)
        span.set_attribute("gen_ai.usage.audio.output_tokens", made.audio_tokens)


def call(create: Any, operation: str, provider: str, asked: dict[str, Any]) -> Any:
    """Makes a call inside a span."""
    span = open_span(operation, provider, asked)
    with use_span(span, record_exception=False, set_status_on_exception=False):
        try:
            answer = create(**asked)
        except Exception as error:
            fail_span(span, error)
            raise
    close_span(span, answer)
    return answer


async def acall(create: Any, operation: str, provider: str, asked: dict[str, Any]) -> Any:
    """Makes an asynchronous call inside a span."""
    span = open_span(operation, provider, asked)
    with use_span(span, record_exception=False, set_status_on_exception=False):
        answer = await create(**asked)
    close_span(span, answer)
    return answer


def stream(create: Any, operation: str, provider: str, asked: dict[str, Any]) -> Iterator[Any]:
    """Makes a streamed call inside a span."""
    span = open_span(operation, provider, asked)
    pieces: list[str] = []
    last = None
    with use_span(span):
        chunks = create(**asked)
    for chunk in chunks:
        if hasattr(chunk, "choices"):
            last = chunk
            pieces += [each.delta.content for each in chunk.choices if each.delta.content]
        elif chunk.type == "content_block_delta":
            pieces.append(chunk.delta.text)
        yield chunk
    close_span(span, last, "".join(pieces))
