"""Readers of version 1 of Cohere's API: chat and generate, with their streams of one JSON document a line."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._cohere_chat import documents, parameters, read_usage
from spanwise.integrations._openai_parts import annotated, tool_definition
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, items, plain
from spanwise.messages import Message, Part
from spanwise.operation import Request, Response

_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


def read_chat(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/chat``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_COHERE, as_text(body.get("model")))
    request.attributes = parameters(body)
    if wants_content:
        preamble = as_text(body.get("preamble"))
        request.system_instructions = [messages.text(preamble)] if preamble else None
        asked = {"role": "USER", "message": body.get("message")}
        results = {"role": "TOOL", "tool_results": body.get("tool_results")}
        history = [*items(body.get("chat_history")), asked, results]
        request.input_messages = [message for each in history if (message := _message(each))["parts"]]
        request.tool_definitions = [_tool(tool) for tool in items(body.get("tools"))] or None
        request.content.update(documents(body))
    return request


def read_generate(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/generate``."""
    request = Request(semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_COHERE, as_text(body.get("model")))
    request.attributes = parameters(body)
    prompt = as_text(body.get("prompt"))
    if wants_content and prompt:
        request.input_messages = [{"role": "user", "parts": [messages.text(prompt)]}]
    return request


def read_chat_response(answer: Any, wants_content: bool) -> Response:
    """Reads an unstreamed answer of chat."""
    body = fields(answer)
    reason = _folded(body)
    response = Response(
        id=as_text(body.get("generation_id")) or as_text(body.get("response_id")),
        finish_reasons=[reason] if reason else None,
    )
    read_usage(response, body.get("meta"))
    if wants_content and ("text" in body or "tool_calls" in body):
        text = as_text(body.get("text"))
        parts = annotated([messages.text(text)] if text else [], body.get("citations"))
        response.output_messages = [_answer(parts + _calls(body), reason)]
    return response


def read_generate_response(answer: Any, wants_content: bool) -> Response:
    """Reads an unstreamed answer of generate."""
    body = fields(answer)
    made = [fields(each) for each in items(body.get("generations"))]
    reasons = [_folded(each) for each in made]
    response = Response(
        id=as_text(body.get("id")), finish_reasons=[reason for reason in reasons if reason] or None
    )
    read_usage(response, body.get("meta"))
    if wants_content and made:
        texts = [as_text(each.get("text")) for each in made]
        response.output_messages = [
            _answer([messages.text(text)] if text else [], reason)
            for text, reason in zip(texts, reasons, strict=True)
        ]
    return response


class ChatFold:
    """The fold of chat's stream; its last event repeats the whole answer."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._body: dict[str, Any] = {}
        self._texts: list[str] = []

    def add(self, chunk: Any) -> None:
        """Adds one event."""
        event = fields(chunk)
        kind = event.get("event_type")
        if kind == "stream-start":
            self._body["generation_id"] = event.get("generation_id")
        elif kind == "text-generation" and self._wants_content:
            self._texts.append(as_text(event.get("text")) or "")
        elif kind == "tool-calls-generation":
            self._body["tool_calls"] = event.get("tool_calls")
        elif kind == "citation-generation":
            self._body["citations"] = [*self._body.get("citations", ()), *items(event.get("citations"))]
        elif kind == "stream-end":
            whole = {key: value for key, value in fields(event.get("response")).items() if value is not None}
            self._body |= {"finish_reason": event.get("finish_reason"), **whole}

    def response(self) -> Response:
        """Returns the answer so far."""
        if self._texts and "text" not in self._body:
            self._body["text"] = "".join(self._texts)
        return read_chat_response(self._body, self._wants_content)


class GenerateFold:
    """The fold of generate's stream."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._texts: dict[int, list[str]] = {}
        self._body: dict[str, Any] = {}
        self._error: str | None = None

    def add(self, chunk: Any) -> None:
        """Adds one event."""
        event = fields(chunk)
        self._error = self._error or as_text(event.get("err"))
        if event.get("response"):
            self._body = dict(fields(event["response"]))
        elif as_text(event.get("text")) and self._wants_content:
            self._texts.setdefault(as_count(event.get("index")) or 0, []).append(event["text"])

    def response(self) -> Response:
        """Returns the answer so far."""
        so_far = [{"text": "".join(self._texts[index])} for index in sorted(self._texts)]
        response = read_generate_response({"generations": so_far, **self._body}, self._wants_content)
        if self._error:
            response.error_type, response.error_message = semconv.ERROR_OTHER, self._error
        return response


def _folded(body: Mapping[str, Any]) -> str | None:
    reason = as_text(body.get("finish_reason"))
    return semconv.fold_finish_reason(reason) if reason else None


def _answer(parts: list[Part], reason: str | None) -> Message:
    message: Message = {"role": "assistant", "parts": parts}
    if reason:
        message["finish_reason"] = reason
    return message


def _message(sent: Any) -> Message:
    body = fields(sent)
    role = as_text(body.get("role")) or "USER"
    text = as_text(body.get("message"))
    parts: list[Part] = [messages.text(text)] if text else []
    parts += _calls(body)
    for each in items(body.get("tool_results")):
        result = fields(each)
        name = as_text(fields(result.get("call")).get("name"))
        parts.append(messages.tool_call_response(name, plain(result.get("outputs"))))
    return {"role": _ROLES.get(role.upper(), role), "parts": parts}


def _calls(body: Mapping[str, Any]) -> list[Part]:
    """Returns tool calls; this version of the API gives them no ids."""
    calls = [fields(call) for call in items(body.get("tool_calls"))]
    return [messages.tool_call(None, str(call.get("name")), plain(call.get("parameters"))) for call in calls]


def _tool(sent: Any) -> dict[str, Any]:
    tool = fields(sent)
    return tool_definition({**tool, "parameters": tool.get("parameter_definitions")})


ENDPOINTS = (
    Endpoint("POST", r".*/v1/chat", read_chat, read_chat_response, ChatFold),
    Endpoint("POST", r".*/v1/generate", read_generate, read_generate_response, GenerateFold),
)
