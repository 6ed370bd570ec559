"""Compares a span, in the JSON form of the API, with what its recording holds."""

import json
from typing import Any

from recorded_truth import digest, expected
from recordings import Recording

_MEDIA = ("blob", "uri", "file")
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_output_tokens")


def differences(recording: Recording, span: dict[str, Any]) -> list[str]:
    """Returns one sentence a field that is not what the recording holds; an empty list when all is right."""
    wanted = expected(recording)
    got = summary(span)
    return [
        f"{field}: recorded {value!r}, got {got.get(field)!r}"
        for field, value in wanted.items()
        if not _is_same(field, value, got.get(field))
    ]


def _is_same(field: str, wanted: Any, got: Any) -> bool:
    if field == "error_message" and wanted is not None:
        return wanted in str(got)
    if field in ("tools", "input", "output") and not wanted:
        return not got
    return wanted == got and (field not in _COUNTS or type(wanted) is type(got))


def summary(span: dict[str, Any]) -> dict[str, Any]:
    """Returns the compared fields of a span of ``GET /api/v1/traces/{trace_id}``, or of one kept in memory.

    The API answers with empty text where there is none, and puts system instructions before the messages.
    """
    scalars = ("operation", "request_model", "response_model", "finish_reasons", *_COUNTS)
    instructions = span.get("system_instructions") or []
    system = [{"role": "system", "parts": instructions}] if instructions else []
    sent = [*system, *(span.get("input_messages") or [])]
    return {
        **{field: None if span.get(field) in ("", []) else span.get(field) for field in scalars},
        "status": span["status"],
        "error_message": span.get("status_message") or None,
        "input": [message_digest(message) for message in sent],
        "output": [message_digest(message) for message in span.get("output_messages") or []],
        "tools": [tool["name"] for tool in span.get("tool_definitions") or []],
        "embedded": _embedded(span),
    }


def _embedded(span: dict[str, Any]) -> Any:
    if span.get("operation") != "embeddings":
        return None
    text = span.get("input_text")
    return json.loads(text) if text else span["attributes"].get("spanwise.embeddings.input")


def message_digest(message: dict[str, Any]) -> dict[str, Any]:
    """Returns a message in OpenTelemetry's shape in the form that is compared."""
    parts = message["parts"]

    def of(kind: str) -> list[dict[str, Any]]:
        return [part for part in parts if part["type"] == kind]

    return digest(
        message["role"],
        text="".join(part["content"] for part in of("text")),
        reasoning="".join(part["content"] for part in of("reasoning")),
        calls=[(part["id"], part["name"], part["arguments"]) for part in of("tool_call")],
        results=[(part["id"], _text(part["response"])) for part in of("tool_call_response")],
        media=sum(part["type"] in _MEDIA for part in parts),
        server_calls=[part["server_tool_call"]["type"] for part in of("server_tool_call")],
        server_results=[
            part["server_tool_call_response"]["type"] for part in of("server_tool_call_response")
        ],
    )


def _text(response: Any) -> str:
    return response if isinstance(response, str) else ""
