"""Readers of Ollama's chat and generate: the request, the answer, and the fold of its lines."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parts import tool_definition
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import (
    as_count,
    as_number,
    as_text,
    as_texts,
    fields,
    given,
    items,
    plain,
)
from spanwise.messages import Message, Part
from spanwise.operation import AttributeValue, Request, Response, Usage

_NANOSECONDS = 1e-9
_DURATIONS = (
    ("total_duration", semconv.SERVER_DURATION_TOTAL),
    ("load_duration", semconv.SERVER_DURATION_LOAD),
    ("prompt_eval_duration", semconv.SERVER_DURATION_INPUT),
    ("eval_duration", semconv.SERVER_DURATION_OUTPUT),
)


def read_chat(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /api/chat``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_OLLAMA, as_text(body.get("model")))
    request.attributes = _parameters(body)
    if wants_content:
        request.input_messages = [_message(message) for message in items(body.get("messages"))]
        request.tool_definitions = [tool_definition(tool) for tool in items(body.get("tools"))] or None
    return request


def read_generate(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /api/generate``."""
    request = Request(semconv.OP_TEXT_COMPLETION, semconv.PROVIDER_OLLAMA, as_text(body.get("model")))
    request.attributes = _parameters(body)
    if wants_content:
        system = as_text(body.get("system"))
        request.system_instructions = [messages.text(system)] if system else None
        parts = _parts({**body, "content": body.get("prompt")})
        if as_text(body.get("suffix")):
            parts.append({"type": "suffix", "content": body["suffix"]})
        request.input_messages = [{"role": "user", "parts": parts}] if parts else None
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads an unstreamed answer of either."""
    fold = AnswerFold(wants_content)
    fold.add(answer)
    return fold.response()


class AnswerFold:
    """The fold of a stream: every line has the shape of a whole answer, the last one has the counts."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._last: Mapping[str, Any] = {}
        """The last line, which has the counts; until it comes the first, which has the model."""
        self._role: str | None = None
        self._content: list[str] = []
        self._thought: list[str] = []
        self._further: list[Part] = []
        self._is_answer = False

    def add(self, chunk: Any) -> None:
        """Adds one line, or the whole answer."""
        body = fields(chunk)
        if not self._last or body.get("done"):
            self._last = body
        if not self._wants_content:
            return
        message = fields(body.get("message")) or {
            "content": body.get("response"),
            "thinking": body.get("thinking"),
            "images": [body["image"]] if as_text(body.get("image")) else None,
        }
        self._is_answer = self._is_answer or any(value is not None for value in message.values())
        self._role = self._role or as_text(message.get("role"))
        self._content.append(as_text(message.get("content")) or "")
        self._thought.append(as_text(message.get("thinking")) or "")
        self._further += _images(message) + _calls(message)

    def response(self) -> Response:
        """Returns the answer so far."""
        body = self._last
        reason = as_text(body.get("done_reason"))
        folded = semconv.fold_finish_reason(reason) if reason else None
        sent, made = as_count(body.get("prompt_eval_count")), as_count(body.get("eval_count"))
        response = Response(
            model=as_text(body.get("model")),
            finish_reasons=[folded] if folded else None,
            usage=Usage(sent, made) if (sent, made) != (None, None) else None,
            attributes=durations(body),
        )
        if self._wants_content and self._is_answer:
            response.output_messages = [self._message(folded)]
        return response

    def _message(self, reason: str | None) -> Message:
        thought, content = "".join(self._thought), "".join(self._content)
        parts = [messages.reasoning(thought)] if thought else []
        if content:
            parts.append(messages.text(content))
        message: Message = {"role": self._role or "assistant", "parts": parts + self._further}
        if reason:
            message["finish_reason"] = reason
        return message


def durations(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Returns where the server says that the time went, in seconds."""
    told = [(key, as_number(body.get(name))) for name, key in _DURATIONS]
    return {key: round(value * _NANOSECONDS, 9) for key, value in told if value is not None}


def _parameters(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    options = fields(body.get("options"))
    limit = as_count(options.get("num_predict"))
    return given(
        [
            (semconv.REQUEST_TEMPERATURE, as_number(options.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(options.get("top_p"))),
            (semconv.REQUEST_TOP_K, as_count(options.get("top_k"))),
            (semconv.REQUEST_FREQUENCY_PENALTY, as_number(options.get("frequency_penalty"))),
            (semconv.REQUEST_PRESENCE_PENALTY, as_number(options.get("presence_penalty"))),
            (semconv.REQUEST_SEED, as_count(options.get("seed"))),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(options.get("stop"))),
            (semconv.REQUEST_MAX_TOKENS, limit if limit is not None and limit > 0 else None),
            (semconv.REQUEST_REASONING_LEVEL, as_text(body.get("think"))),
            (semconv.OUTPUT_TYPE, "json" if body.get("format") else None),
        ]
    )


def _message(sent: Any) -> Message:
    body = fields(sent)
    role = as_text(body.get("role")) or "user"
    if role == "tool":
        name = (
            as_text(body.get("tool_call_id")) or as_text(body.get("tool_name")) or as_text(body.get("name"))
        )
        return {"role": role, "parts": [messages.tool_call_response(name, plain(body.get("content")))]}
    return {"role": role, "parts": _parts(body)}


def _parts(body: Mapping[str, Any]) -> list[Part]:
    thought, content = as_text(body.get("thinking")), as_text(body.get("content"))
    parts = [messages.reasoning(thought)] if thought else []
    if content:
        parts.append(messages.text(content))
    return parts + _images(body) + _calls(body)


def _images(body: Mapping[str, Any]) -> list[Part]:
    """Returns the images of a message: the client sends their bytes in base64."""
    sent = (
        image if isinstance(image, str) else fields(image).get("value") for image in items(body.get("images"))
    )
    return [messages.blob("image", image) for image in sent if isinstance(image, str)]


def _calls(body: Mapping[str, Any]) -> list[Part]:
    """Returns the tool calls of a message; Ollama gives them no ids."""
    calls = [fields(call) for call in items(body.get("tool_calls"))]
    functions = [(as_text(call.get("id")), fields(call.get("function"))) for call in calls]
    return [
        messages.tool_call(call_id, str(function.get("name")), plain(function.get("arguments")))
        for call_id, function in functions
    ]


ENDPOINTS = (
    Endpoint("POST", r".*/api/chat", read_chat, read_response, AnswerFold),
    Endpoint("POST", r".*/api/generate", read_generate, read_response, AnswerFold),
)
