"""Readers of Mistral's conversations: the server keeps the history and may run tools and agents by itself."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import chat_usage, output_type, sampling
from spanwise.integrations._openai_parts import content_parts, message_of, tool_definition
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, plain
from spanwise.messages import Message, Part
from spanwise.operation import Request, Response


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/conversations`` and of what continues one."""
    options = fields(body.get("completion_args"))
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_MISTRAL, as_text(body.get("model")))
    request.attributes = sampling(options) | given(
        [
            (semconv.REQUEST_MAX_TOKENS, as_count(options.get("max_tokens"))),
            (semconv.REQUEST_SEED, as_count(options.get("random_seed"))),
            (semconv.OUTPUT_TYPE, output_type(options.get("response_format"))),
            (semconv.AGENT_ID, as_text(body.get("agent_id"))),
            (semconv.CONVERSATION_ID, as_text(body.get("conversation_id"))),
        ]
    )
    if wants_content:
        instructions = as_text(body.get("instructions"))
        request.system_instructions = [messages.text(instructions)] if instructions else None
        asked = body.get("inputs")
        entries = [{"role": "user", "content": asked}] if isinstance(asked, str) else items(asked)
        request.input_messages = [_entry(entry) for entry in entries] or None
        request.tool_definitions = [tool_definition(tool) for tool in items(body.get("tools"))] or None
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads an unstreamed answer: what was said and done, one entry each."""
    body = fields(answer)
    entries = [fields(entry) for entry in items(body.get("outputs"))]
    calls = any(entry.get("type") == "function.call" for entry in entries)
    models = [model for entry in entries if (model := as_text(entry.get("model")))]
    response = Response(
        id=next((as_text(entry.get("id")) for entry in reversed(entries)), None),
        model=models[-1] if models else None,
        finish_reasons=[semconv.fold_finish_reason("tool_calls" if calls else "stop")] if entries else None,
        usage=chat_usage(body.get("usage")),
        attributes=given([(semconv.CONVERSATION_ID, as_text(body.get("conversation_id")))]),
    )
    if wants_content and entries:
        response.output_messages = [{"role": "assistant", "parts": _parts(entries)}]
    return response


def _entry(sent: Any) -> Message:
    entry = fields(sent)
    kind = entry.get("type")
    if kind == "function.result":
        part = messages.tool_call_response(as_text(entry.get("tool_call_id")), plain(entry.get("result")))
        return {"role": "tool", "parts": [part]}
    if kind in (None, "message.input", "message.output"):
        return message_of(entry)
    return {"role": "assistant", "parts": _parts([entry])}


def _parts(entries: list[Mapping[str, Any]]) -> list[Part]:
    parts: list[Part] = []
    for entry in entries:
        kind = entry.get("type")
        if kind == "message.output":
            parts += content_parts(entry.get("content"))
        elif kind == "function.call":
            call_id = as_text(entry.get("tool_call_id"))
            parts.append(messages.tool_call(call_id, str(entry.get("name")), plain(entry.get("arguments"))))
        else:  # tools that the server ran, a handoff to another agent
            parts.append({"type": str(kind), **{key: plain(entry[key]) for key in entry if key != "type"}})
    return parts


class ConversationFold:
    """The fold of a stream: it builds the unstreamed answer, which is read in its stead."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._body: dict[str, Any] = {}
        self._entries: dict[int, dict[str, Any]] = {}
        self._error: Mapping[str, Any] = {}

    def add(self, chunk: Any) -> None:
        """Adds one event."""
        event = fields(chunk)
        kind, index = str(event.get("type")), as_count(event.get("output_index")) or 0
        if kind == "conversation.response.started":
            self._body["conversation_id"] = event.get("conversation_id")
        elif kind == "conversation.response.done":
            self._body["usage"] = event.get("usage")
        elif kind == "conversation.response.error":
            self._error = event
        elif kind == "message.output.delta":
            entry = self._entries.setdefault(index, {**event, "type": "message.output", "content": []})
            self._add_content(entry["content"], event.get("content"))
        elif kind == "function.call.delta":
            entry = self._entries.setdefault(index, {**event, "type": "function.call", "arguments": ""})
            entry["arguments"] += as_text(event.get("arguments")) or ""
        elif kind.startswith(("tool.execution.", "agent.handoff.")):
            entry = self._entries.setdefault(index, {"type": kind.rpartition(".")[0]})
            entry.update({key: value for key, value in event.items() if key not in ("type", "output_index")})

    def _add_content(self, content: list[Any], piece: Any) -> None:
        if not self._wants_content:
            return
        text = piece if isinstance(piece, str) else None
        part = fields(piece)
        if part.get("type") == "text":
            text = as_text(part.get("text"))
        if text is None:
            content.append(piece)
        elif content and isinstance(content[-1], dict) and content[-1].get("type") == "text":
            content[-1]["text"] += text
        else:
            content.append({"type": "text", "text": text})

    def response(self) -> Response:
        """Returns the answer so far."""
        outputs = [self._entries[index] for index in sorted(self._entries)]
        response = read_response({**self._body, "outputs": outputs}, self._wants_content)
        if "usage" not in self._body:
            response.finish_reasons = None
        if self._error:
            response.error_type = str(self._error.get("code") or semconv.ERROR_OTHER)
            response.error_message = as_text(self._error.get("message"))
        return response


ENDPOINTS = (
    Endpoint(
        "POST",
        r".*/conversations(?:/(?P<conversation_id>[^/]+)(?:/restart)?)?",
        read_request,
        read_response,
        ConversationFold,
    ),
)
