"""OpenLLMetry (Traceloop), both generations: flattened prompts up to 0.53, OpenTelemetry's messages after.

Packages moved one by one, so a single trace may hold both. Vector stores report their hits as span events.

Source: opentelemetry-semantic-conventions-ai 0.5.1.
"""

from typing import Any

from spanwise import messages as shapes
from spanwise_collector.ingest.dialects.vocabulary import (
    REQUEST_TYPES,
    TRACELOOP_KINDS,
    VECTOR_DATABASES,
    fold_provider,
)
from spanwise_collector.ingest.flat import Flat
from spanwise_collector.ingest.json_text import dumps, loads
from spanwise_collector.ingest.messages import any_json, parts
from spanwise_collector.ingest.rules import Dialect, Row, count, flag, one_of, text, text_list
from spanwise_collector.model import AnyValue, SpanEvent

# A message is a JSON object of any shape: hence Any.
Message = dict[str, Any]
_PROPERTIES = "traceloop.association.properties."
RESULT_EVENTS = frozenset({"db.query.result", "db.search.result"})


def _vector_operation(value: AnyValue) -> str | None:
    return "retrieval" if isinstance(value, str) and value.lower() in VECTOR_DATABASES else None


_IDENTITY: tuple[Row, ...] = (
    ("traceloop.span.kind", "operation", 60, one_of(TRACELOOP_KINDS)),
    ("llm.request.type", "operation", 70, one_of(REQUEST_TYPES)),
    ("db.system", "operation", 90, _vector_operation),
    ("db.system", "provider", 95, lambda value: fold_provider(value) if _vector_operation(value) else None),
    ("llm.response.model", "response_model", 40, text),
    (_PROPERTIES + "session_id", "conversation_id", 50, text),
    (_PROPERTIES + "thread_id", "conversation_id", 51, text),
    (_PROPERTIES + "chat_id", "conversation_id", 52, text),
    ("gen_ai.user", "user_id", 40, text),
    ("llm.user", "user_id", 41, text),
    (_PROPERTIES + "user_id", "user_id", 60, text),
    ("traceloop.prompt.key", "prompt_name", 20, text),
    ("traceloop.prompt.version", "prompt_version", 20, text),
    ("traceloop.prompt.version_name", "prompt_version", 21, text),
    ("traceloop.workflow.name", "workflow_name", 20, text),
    ("traceloop.entity.name", "_entity_name", 10, text),
    ("traceloop.span.kind", "_entity_kind", 10, text),
)

_ANSWER: tuple[Row, ...] = (
    ("gen_ai.usage.cache_read_input_tokens", "cached_input_tokens", 20, count),
    ("gen_ai.usage.cache_creation_input_tokens", "cache_write_input_tokens", 30, count),
    ("gen_ai.usage.reasoning_tokens", "reasoning_output_tokens", 20, count),
    ("llm.usage.reasoning_tokens", "reasoning_output_tokens", 21, count),
    ("gen_ai.is_streaming", "is_stream", 20, flag),
    ("llm.is_streaming", "is_stream", 21, flag),
    ("gen_ai.response.finish_reason", "finish_reasons", 30, text_list),
    ("gen_ai.response.stop_reason", "finish_reasons", 31, text_list),
    ("llm.response.finish_reason", "finish_reasons", 32, text_list),
    ("llm.response.stop_reason", "finish_reasons", 33, text_list),
)

_CONTENT: tuple[Row, ...] = (
    ("traceloop.entity.input", "_input", 30, any_json),
    ("traceloop.entity.output", "_output", 30, any_json),
)


def read_prompt(root: Flat) -> str | None:
    """Reads ``gen_ai.prompt.<i>``."""
    found = [_message(item, "user") for item in root.items()]
    return dumps(found) if found else None


def read_completion(root: Flat) -> str | None:
    """Reads ``gen_ai.completion.<i>``."""
    found = [_message(item, "assistant") for item in root.items()]
    return dumps(found) if found else None


def _message(item: Flat, default_role: str) -> Message:
    role = text(item.take("role")) or default_role
    call_id = text(item.take("tool_call_id"))
    content = item.take("content")
    found: Message = {"role": role, "parts": []}
    pieces = found["parts"]
    if call_id is not None or role == "tool":
        pieces.append(shapes.tool_call_response(call_id, shapes.parsed(content)))
    else:
        pieces += parts(_content(content))
    if refusal := text(item.take("refusal")):
        pieces.append({"type": "refusal", "content": refusal})
    for call in item.items("tool_calls"):
        pieces.append(
            shapes.tool_call(text(call.take("id")), text(call.take("name")) or "", call.take("arguments"))
        )
    if reason := text(item.take("finish_reason")):
        found["finish_reason"] = reason
    return found


def _content(value: AnyValue) -> AnyValue:
    # A list of parts travels as JSON text; text that merely starts with a bracket stays text.
    if isinstance(value, str) and value[:2] == "[{":
        try:
            items = loads(value)
        except ValueError:
            return value
        if isinstance(items, list) and all(isinstance(item, dict) and "type" in item for item in items):
            return items
    return value


def read_functions(root: Flat) -> str | None:
    """Reads ``llm.request.functions.<i>``."""
    found = []
    for item in root.items():
        tool: Message = {"type": "function", "name": text(item.take("name")) or ""}
        if description := text(item.take("description")):
            tool["description"] = description
        if (parameters := item.take("parameters")) is not None:
            tool["parameters"] = shapes.parsed(parameters)
        found.append(tool)
    return dumps(found) if found else None


def read_hits(events: list[SpanEvent]) -> str | None:
    """Reads a vector store's hits, one span event each: its score, or its distance under that name."""
    found = []
    for event in events:
        if event.name not in RESULT_EVENTS:
            continue
        hit: Message = {}
        for key, value in event.attributes.items():
            name = key.rpartition(".")[2]
            if key.startswith(event.name) and name != "vector":
                hit["content" if name in ("document", "entity") else name] = (
                    shapes.parsed(value) if name == "metadata" else value
                )
        found.append(hit)
    return dumps(found) if found else None


FLAT_READERS = {
    "gen_ai.prompt": read_prompt,
    "gen_ai.completion": read_completion,
    "llm.request.functions": read_functions,
}

DIALECT = Dialect(
    name="openllmetry",
    bit=2,
    rows=_IDENTITY + _ANSWER + _CONTENT,
    flat={
        "gen_ai.prompt": ("input_messages", 30),
        "gen_ai.completion": ("output_messages", 30),
        "llm.request.functions": ("tool_definitions", 30),
    },
    neutral=frozenset({"db.system", "gen_ai.response.finish_reason"}),
    marks=frozenset(
        {
            "gen_ai.usage.total_tokens",
            "llm.usage.total_tokens",
            "traceloop.entity.path",
            "traceloop.entity.version",
            "llm.headers",
            "gen_ai.headers",
        }
    ),
)
