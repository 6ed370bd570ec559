"""Readers of Anthropic's messages: the request, the answer, and the fold of its stream."""

import json
from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._anthropic_blocks import blocks, message_of, tool_definition
from spanwise.integrations._openai_parameters import output_type, read_failure
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import (
    Parameters,
    as_count,
    as_number,
    as_text,
    as_texts,
    fields,
    given,
    items,
    parameters,
)
from spanwise.messages import Message
from spanwise.operation import AttributeValue, Request, Response, Usage


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v1/messages``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_ANTHROPIC, as_text(body.get("model")))
    request.attributes = parameters(body, _PARAMETERS)
    wanted, thinking = fields(body.get("output_config")), fields(body.get("thinking"))
    if wanted or thinking:
        request.attributes |= given(
            [
                (semconv.REQUEST_REASONING_LEVEL, as_text(wanted.get("effort"))),
                (semconv.OUTPUT_TYPE, output_type(wanted.get("format"))),
                ("anthropic.thinking.type", as_text(thinking.get("type"))),
                ("anthropic.thinking.budget_tokens", as_count(thinking.get("budget_tokens"))),
            ]
        )
    if wants_content:
        request.system_instructions = blocks(body.get("system")) or None
        request.input_messages = [message_of(message) for message in items(body.get("messages"))]
        request.tool_definitions = [tool_definition(tool) for tool in items(body.get("tools"))] or None
    return request


_PARAMETERS: Parameters = {
    "max_tokens": (semconv.REQUEST_MAX_TOKENS, as_count),
    "temperature": (semconv.REQUEST_TEMPERATURE, as_number),
    "top_p": (semconv.REQUEST_TOP_P, as_number),
    "top_k": (semconv.REQUEST_TOP_K, as_count),
    "stop_sequences": (semconv.REQUEST_STOP_SEQUENCES, as_texts),
    "output_format": (semconv.OUTPUT_TYPE, output_type),
    "service_tier": ("anthropic.request.service_tier", as_text),
}
"""The names that start with ``anthropic`` are those of Anthropic's own instrumentation, which our span
stands in for."""


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``Message``, or the JSON it is made from."""
    body = fields(answer)
    stop, usage = as_text(body.get("stop_reason")), fields(body.get("usage"))
    reason = semconv.fold_finish_reason(stop) if stop else None
    searches = fields(usage.get("server_tool_use"))
    found: dict[str, AttributeValue] = {}
    if stop:
        found["anthropic.message.stop_reason"] = stop
    if as_text(usage.get("service_tier")):
        found["anthropic.response.service_tier"] = usage["service_tier"]
    if searches:
        found |= given(
            [
                ("anthropic.usage.web_search_requests", as_count(searches.get("web_search_requests"))),
                ("anthropic.usage.web_fetch_requests", as_count(searches.get("web_fetch_requests"))),
            ]
        )
    response = Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=[reason] if reason else None,
        usage=_usage(usage),
        attributes=found,
    )
    read_failure(response, body.get("error"))
    if wants_content and "content" in body:
        message: Message = {
            "role": as_text(body.get("role")) or "assistant",
            "parts": blocks(body.get("content")),
        }
        if reason:
            message["finish_reason"] = reason
        response.output_messages = [message]
    return response


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    """Anthropic counts cached tokens apart; the total here includes them."""
    if not usage:
        return None
    uncached = as_count(usage.get("input_tokens"))
    read = as_count(usage.get("cache_read_input_tokens"))
    written = as_count(usage.get("cache_creation_input_tokens"))
    known = [count for count in (uncached, read, written) if count is not None]
    return Usage(
        input_tokens=sum(known) if known else None,
        output_tokens=as_count(usage.get("output_tokens")),
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
        reasoning_output_tokens=as_count(fields(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


class MessageFold:
    """The fold of a stream of message events: rebuilds the message's JSON."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _BlockFold] = {}
        self._failure: Any = None

    def add(self, event: Any) -> None:
        """Adds one event; helpers' own events (``text``, ``input_json``) repeat what others said."""
        body = fields(event)
        kind = body.get("type")
        if kind == "content_block_delta":
            if self._wants_content:
                self._block(body).add(fields(body.get("delta")))
        elif kind == "content_block_start":
            self._blocks[as_count(body.get("index")) or 0] = _BlockFold(fields(body.get("content_block")))
        elif kind == "message_start":
            self._message |= fields(body.get("message"))
            self._add_usage(self._message.get("usage"))
        elif kind == "message_delta":
            self._message |= {key: value for key, value in fields(body.get("delta")).items() if value}
            self._add_usage(body.get("usage"))
        elif kind == "error":
            self._failure = body.get("error")

    def response(self) -> Response:
        """Returns the answer so far."""
        message = dict(self._message)
        if message or self._blocks:
            message["content"] = [self._blocks[index].block() for index in sorted(self._blocks)]
        message["usage"] = self._usage
        response = read_response(message, self._wants_content)
        read_failure(response, self._failure)
        return response

    def _block(self, body: Mapping[str, Any]) -> "_BlockFold":
        index = as_count(body.get("index")) or 0
        found = self._blocks.get(index)
        if found is None:
            found = self._blocks[index] = _BlockFold({"type": "text"})
        return found

    def _add_usage(self, reported: Any) -> None:
        """The counts of later events are totals so far; those they leave out stand."""
        self._usage |= {key: value for key, value in fields(reported).items() if value is not None}


class _BlockFold:
    """One content block that arrives in pieces."""

    __slots__ = ("_citations", "_pieces", "_start")

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._start = start
        self._pieces: dict[str, list[str]] = {}
        self._citations: list[Any] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        kind = delta.get("type")
        if kind == "citations_delta":
            self._citations.append(delta.get("citation"))
            return
        source, place = _DELTAS.get(str(kind), ("", ""))
        piece = delta.get(source)
        if isinstance(piece, str):
            self._pieces.setdefault(place, []).append(piece)

    def block(self) -> dict[str, Any]:
        block = dict(self._start)
        for place, pieces in self._pieces.items():
            content = "".join(pieces)
            block[place] = (
                _arguments(content) if place == "input" else (as_text(block.get(place)) or "") + content
            )
        if self._citations:
            block["citations"] = [*items(block.get("citations")), *self._citations]
        return block


def _arguments(content: str) -> Any:
    """A tool's arguments; the text itself where the stream was left before they were complete."""
    try:
        return json.loads(content) if content else {}
    except ValueError:
        return content


_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
    "compaction_delta": ("content", "content"),
}
"""The field of a delta, and the field of its block that it continues. Signatures are not recorded."""

ENDPOINT = Endpoint(
    method="POST",
    path=r".*/messages",
    read_request=read_request,
    read_response=read_response,
    new_fold=MessageFold,
)
