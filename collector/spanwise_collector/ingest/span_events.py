"""What span events say about the span itself: older messages, the first chunk, exceptions, search hits.

Events keep everything except content that became a column, which is moved there.

Source: OpenTelemetry GenAI semantic conventions 1.26 to 1.41.1 and the OpenInference, OpenLLMetry emitters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from spanwise import messages as shapes
from spanwise import semconv
from spanwise_collector.ingest.dialects import openllmetry
from spanwise_collector.ingest.json_text import dumps
from spanwise_collector.ingest.messages import input_messages, message, output_messages
from spanwise_collector.ingest.rules import text
from spanwise_collector.model import AnyValue, Span, SpanEvent

DETAILS_EVENT = "gen_ai.client.inference.operation.details"
FIRST_CHUNK_EVENTS = frozenset(
    {
        "ai.stream.firstChunk",
        "gen_ai.content.completion.chunk",
        "llm.content.completion.chunk",
        "First Token Stream Event",
    }
)
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_LEGACY: dict[str, tuple[str, str, Callable[[AnyValue], str | None]]] = {
    "gen_ai.content.prompt": ("gen_ai.prompt", "input_messages", input_messages),
    "gen_ai.content.completion": ("gen_ai.completion", "output_messages", output_messages),
}


def read_events(span: Span) -> None:
    """Fills what the attributes left open from the span's events, in place."""
    _read_messages(span)
    for event in span.events:
        if event.name == semconv.EXCEPTION_EVENT:
            _read_exception(span, event)
        elif event.name in FIRST_CHUNK_EVENTS:
            elapsed_ns = event.time_ns - span.start_ns
            if span.time_to_first_chunk_ns is None and elapsed_ns >= 0:
                span.time_to_first_chunk_ns = elapsed_ns
            span.is_stream = True
        elif event.name in _LEGACY:
            _read_legacy(span, event)
    if not span.documents and (hits := openllmetry.read_hits(span.events)):
        span.documents = hits


def _read_exception(span: Span, event: SpanEvent) -> None:
    if not span.error_type:
        span.error_type = text(event.attributes.get(semconv.EXCEPTION_TYPE)) or ""
    if not span.status_message:
        span.status_message = text(event.attributes.get(semconv.EXCEPTION_MESSAGE)) or ""


def _read_legacy(span: Span, event: SpanEvent) -> None:
    key, field, reader = _LEGACY[event.name]
    if not getattr(span, field) and (found := reader(event.attributes.get(key))):
        setattr(span, field, found)
        del event.attributes[key]


def _read_messages(span: Span) -> None:
    asked = [event for event in span.events if event.name in _ROLES]
    if asked and not span.input_messages:
        span.input_messages = dumps([_message(event.attributes, _ROLES[event.name]) for event in asked])
        _move(asked)
    answered = [event for event in span.events if event.name == _CHOICE]
    if answered and not span.output_messages:
        span.output_messages = dumps([_choice(event.attributes) for event in answered])
        if not span.finish_reasons:
            reasons = (text(event.attributes.get("finish_reason")) for event in answered)
            span.finish_reasons = [reason for reason in reasons if reason]
        _move(answered)


def _move(events: list[SpanEvent]) -> None:
    for event in events:
        for key in ("content", "message", "tool_calls"):
            event.attributes.pop(key, None)


def _message(body: dict[str, AnyValue], role: str) -> dict[str, Any]:
    role = text(body.get("role")) or role
    if role == "tool":
        call_id = text(body.get("id"))
        response = shapes.tool_call_response(call_id, shapes.parsed(body.get("content")))
        return {"role": role, "parts": [response]}
    return message(
        {"role": role, "content": shapes.parsed(body.get("content")), "tool_calls": _calls(body)}, role
    )


def _choice(body: dict[str, AnyValue]) -> dict[str, Any]:
    inner = shapes.parsed(body.get("message"))
    source: dict[str, Any] = (
        inner if isinstance(inner, dict) else {"content": inner if inner is not None else body.get("content")}
    )
    calls = _calls(body) or _calls(source)
    found = message({"role": "assistant", **source, "tool_calls": calls}, "assistant")
    if reason := text(body.get("finish_reason")):
        found["finish_reason"] = semconv.fold_finish_reason(reason)
    return found


def _calls(body: Mapping[str, Any]) -> list[Any]:
    calls = shapes.parsed(body.get("tool_calls"))
    return calls if isinstance(calls, list) else []
