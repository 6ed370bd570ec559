"""Readers of the Responses API: request, fetching a stored answer, the answer, and the fold of its stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_items import input_messages, output_parts
from spanwise.integrations._openai_parameters import (
    answer_attributes,
    output_type,
    read_failure,
    sampling,
)
from spanwise.integrations._openai_parts import content_parts, tool_definition
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items
from spanwise.messages import Message
from spanwise.operation import AttributeValue, Request, Response, Usage

OP_FETCH_RESPONSE = "fetch_response"
"""Reads an answer that the provider stored. Not charged: its usage repeats what the first call reported."""
RESPONSE_STATUS = "gen_ai.response.status"

_CALLS = frozenset({"function_call", "custom_tool_call"})
_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /responses``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_OPENAI, as_text(body.get("model")))
    request.attributes = sampling(body) | _parameters(body)
    if wants_content:
        request.input_messages = input_messages(body.get("input"))
        request.system_instructions = _instructions(body.get("instructions"))
        request.tool_definitions = [tool_definition(tool) for tool in items(body.get("tools"))] or None
    return request


def read_fetch(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads ``GET /responses/{id}``."""
    request = Request(OP_FETCH_RESPONSE, semconv.PROVIDER_OPENAI)
    request.attributes[semconv.RESPONSE_ID] = str(body["id"])
    return request


def _parameters(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    conversation, prompt = body.get("conversation"), fields(body.get("prompt"))
    return given(
        [
            (semconv.OPENAI_API_TYPE, "responses"),
            (semconv.REQUEST_MAX_TOKENS, as_count(body.get("max_output_tokens"))),
            (semconv.REQUEST_REASONING_LEVEL, as_text(fields(body.get("reasoning")).get("effort"))),
            (semconv.REQUEST_PREVIOUS_RESPONSE_ID, as_text(body.get("previous_response_id"))),
            (semconv.OUTPUT_TYPE, output_type(fields(body.get("text")).get("format"))),
            (semconv.CONVERSATION_ID, as_text(conversation) or as_text(fields(conversation).get("id"))),
            (semconv.PROMPT_NAME, as_text(prompt.get("id"))),
            (semconv.PROMPT_VERSION, as_text(prompt.get("version"))),
        ]
    )


def _instructions(sent: Any) -> list[messages.Part] | None:
    if isinstance(sent, str):
        return content_parts(sent) or None
    return [part for message in input_messages(sent or []) for part in message["parts"]] or None


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``Response`` of the client, or the JSON it is made from."""
    body = fields(answer)
    return _response(body, items(body.get("output")), wants_content)


def _response(body: Mapping[str, Any], output: Sequence[Any], wants_content: bool) -> Response:
    reason = _finish_reason(body, output)
    response = Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=[reason] if reason else None,
        usage=_usage(body.get("usage")),
        attributes=answer_attributes(body) | given([(RESPONSE_STATUS, as_text(body.get("status")))]),
    )
    read_failure(response, body.get("error"))
    if wants_content and (output or reason):
        message: Message = {"role": "assistant", "parts": output_parts(output)}
        if reason:
            message["finish_reason"] = reason
        response.output_messages = [message]
    return response


def _finish_reason(body: Mapping[str, Any], output: Sequence[Any]) -> str | None:
    """The Responses API has a status in place of a finish reason, which does not tell calls from answers."""
    status = as_text(body.get("status"))
    if status not in _ENDED:
        return None
    if status == "incomplete":
        why = as_text(fields(body.get("incomplete_details")).get("reason"))
        return semconv.fold_finish_reason(why or status)
    if status == "completed" and any(str(fields(item).get("type")) in _CALLS for item in output):
        return "tool_call"
    return semconv.fold_finish_reason(status)


def _usage(reported: Any) -> Usage | None:
    usage = fields(reported)
    if not usage:
        return None
    sent, made = fields(usage.get("input_tokens_details")), fields(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=as_count(usage.get("input_tokens")),
        output_tokens=as_count(usage.get("output_tokens")),
        cache_read_input_tokens=as_count(sent.get("cached_tokens")),
        cache_write_input_tokens=as_count(sent.get("cache_write_tokens")),
        reasoning_output_tokens=as_count(made.get("reasoning_tokens")),
        audio_input_tokens=as_count(sent.get("audio_tokens")),
        audio_output_tokens=as_count(made.get("audio_tokens")),
        image_input_tokens=as_count(sent.get("image_tokens")),
    )


class ResponseFold:
    """The fold of a stream of response events.

    The last event holds the whole answer. The pieces before it are kept for a stream that the application
    stops reading, or whose server leaves the output out at the end.
    """

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._answer: Any = None
        self._items: dict[int, Any] = {}
        self._pieces: dict[tuple[int, str, int], list[str]] = {}
        self._failure: Any = None

    def add(self, event: Any) -> None:
        """Adds one event."""
        body = fields(event)
        kind, at = str(body.get("type")), as_count(body.get("output_index")) or 0
        place = _PIECES.get(kind)
        if place is not None:
            index = as_count(body.get(_INDEXES.get(place, ""))) or 0
            self._pieces.setdefault((at, place, index), []).append(as_text(body.get("delta")) or "")
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[at] = body.get("item")
            if kind == "response.output_item.done":
                self._forget(at)
        elif body.get("response") is not None:
            self._answer = body["response"]
        elif kind == "error":
            self._failure = fields(body.get("error")) or {**body, "type": None}

    def response(self) -> Response:
        """Returns the answer so far."""
        body = fields(self._answer)
        output = items(body.get("output")) or self._output()
        response = _response(body, output, self._wants_content)
        read_failure(response, self._failure)
        return response

    def _forget(self, index: int) -> None:
        for key in [key for key in self._pieces if key[0] == index]:
            del self._pieces[key]

    def _output(self) -> list[Any]:
        """Returns the items as far as they came."""
        indexes = sorted({*self._items, *(key[0] for key in self._pieces)})
        return [self._item(index) for index in indexes]

    def _item(self, index: int) -> Any:
        item = self._items.get(index)
        pieces = {key: "".join(texts) for key, texts in self._pieces.items() if key[0] == index}
        if not pieces:
            return item
        built = dict(fields(item)) or {"type": "message", "role": "assistant"}
        for (_, place, _), content in pieces.items():
            if place in ("arguments", "input"):
                built[place] = content
            else:
                key, tag = _LISTS[place]
                earlier = list(items(built.get(key)))
                built[key] = [*earlier, {"type": tag, "refusal" if tag == "refusal" else "text": content}]
        return built


_PIECES = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "thought",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}
"""Which part of its item a delta belongs to."""
_INDEXES = {
    "text": "content_index",
    "refusal": "content_index",
    "summary": "summary_index",
    "thought": "content_index",
}
"""The field that numbers the parts of one kind within an item; arguments have no parts."""
_LISTS = {
    "text": ("content", "output_text"),
    "refusal": ("content", "refusal"),
    "summary": ("summary", "summary_text"),
    "thought": ("content", "reasoning_text"),
}

ENDPOINTS = (
    Endpoint(
        method="POST",
        path=r".*/responses",
        read_request=read_request,
        read_response=read_response,
        new_fold=ResponseFold,
    ),
    Endpoint(
        method="GET",
        path=r".*/responses/(?P<id>[^/]+)",
        read_request=read_fetch,
        read_response=read_response,
        new_fold=ResponseFold,
    ),
)
