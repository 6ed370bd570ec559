"""Readers of Cohere's chat, version 2: the request, the answer, and the fold of its events."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import output_type
from spanwise.integrations._openai_parts import (
    annotated,
    call_part,
    content_parts,
    tool_definition,
    tool_output,
)
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

_USED = (
    ("input_tokens", semconv.COHERE_USED_INPUT_TOKENS),
    ("output_tokens", semconv.COHERE_USED_OUTPUT_TOKENS),
)


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /v2/chat``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_COHERE, as_text(body.get("model")))
    request.attributes = parameters(body)
    if wants_content:
        request.input_messages = [_message(message) for message in items(body.get("messages"))]
        request.tool_definitions = [tool_definition(tool) for tool in items(body.get("tools"))] or None
        request.content.update(documents(body))
    return request


def parameters(body: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Returns the request parameters, which both versions of the API name alike."""
    choices = as_count(body.get("num_generations"))
    budget = fields(body.get("thinking"))
    return given(
        [
            (semconv.REQUEST_TEMPERATURE, as_number(body.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(body.get("p"))),
            (semconv.REQUEST_TOP_K, as_count(body.get("k"))),
            (semconv.REQUEST_MAX_TOKENS, as_count(body.get("max_tokens"))),
            (semconv.REQUEST_SEED, as_count(body.get("seed"))),
            (semconv.REQUEST_FREQUENCY_PENALTY, as_number(body.get("frequency_penalty"))),
            (semconv.REQUEST_PRESENCE_PENALTY, as_number(body.get("presence_penalty"))),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(body.get("stop_sequences"))),
            (semconv.REQUEST_CHOICE_COUNT, choices if choices != 1 else None),
            (semconv.REQUEST_REASONING_LEVEL, as_text(budget.get("type"))),
            (semconv.CONVERSATION_ID, as_text(body.get("conversation_id"))),
            (semconv.OUTPUT_TYPE, output_type(body.get("response_format"))),
        ]
    )


def documents(body: Mapping[str, Any]) -> dict[str, object]:
    """Returns the documents that the answer is to be grounded in."""
    found = []
    for each in items(body.get("documents")):
        document = fields(each)
        content = as_text(each) or plain(document.get("data") or document)
        found.append(
            {"id": document["id"], "content": content} if document.get("id") else {"content": content}
        )
    return {semconv.RETRIEVAL_DOCUMENTS: found} if found else {}


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads an unstreamed answer."""
    body = fields(answer)
    reason = as_text(body.get("finish_reason"))
    folded = semconv.fold_finish_reason(reason) if reason else None
    response = Response(id=as_text(body.get("id")), finish_reasons=[folded] if folded else None)
    read_usage(response, body.get("usage"))
    if as_text(body.get("error")):
        response.error_type, response.error_message = reason or semconv.ERROR_OTHER, body["error"]
    if wants_content and body.get("message"):
        message = _message({"role": "assistant", **fields(body["message"])})
        if folded:
            message["finish_reason"] = folded
        response.output_messages = [message]
    return response


def read_usage(response: Response, reported: Any) -> None:
    """Reads the token counts. Those billed count: they leave out what Cohere adds to a prompt by itself.

    Tokens from the cache are among those used, not among those billed: they are told beside them, and are
    part of the input only where nothing is billed apart.
    """
    usage = fields(reported)
    billed, used = fields(usage.get("billed_units")), fields(usage.get("tokens"))
    sent, made = (_either(billed, used, name) for name in ("input_tokens", "output_tokens"))
    cached = as_count(usage.get("cached_tokens"))
    is_subset = cached is not None and sent is not None and cached <= sent
    if (sent, made) != (None, None):
        response.usage = Usage(sent, made, cache_read_input_tokens=cached if is_subset else None)
    counts = [(key, as_count(used.get(name))) for name, key in _USED]
    units = as_number(billed.get("search_units"))
    response.attributes |= given(
        [*counts, (semconv.COHERE_CACHED_TOKENS, cached), (semconv.USAGE_SEARCH_UNITS, units)]
    )


def _either(billed: Mapping[str, Any], used: Mapping[str, Any], name: str) -> int | None:
    count = as_count(billed.get(name))
    return as_count(used.get(name)) if count is None else count


def _message(sent: Any) -> Message:
    body = fields(sent)
    role = as_text(body.get("role")) or "user"
    if role == "tool":
        call_id = as_text(body.get("tool_call_id"))
        return {"role": role, "parts": [messages.tool_call_response(call_id, _output(body.get("content")))]}
    plan = as_text(body.get("tool_plan"))
    parts: list[Part] = [messages.reasoning(plan)] if plan else []
    parts += annotated(content_parts(body.get("content")), body.get("citations"))
    parts += [call_part(call) for call in items(body.get("tool_calls"))]
    return {"role": role, "parts": parts}


def _output(content: Any) -> Any:
    """Returns what a tool answered: text, or documents whose data is text or an object."""
    found = tool_output(content)
    if isinstance(found, list) and len(found) == 1 and found[0].get("type") == "document":
        return fields(found[0].get("document")).get("data")
    return found


class ChatFold:
    """The fold of a stream: it builds the unstreamed answer, which is read in its stead."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._body: dict[str, Any] = {}
        self._plan: list[str] = []
        self._blocks: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._citations: list[Any] = []

    def add(self, chunk: Any) -> None:
        """Adds one event."""
        event = fields(chunk)
        kind, index = event.get("type"), as_count(event.get("index")) or 0
        delta = fields(event.get("delta"))
        if kind == "message-start":
            self._body = {"id": event.get("id"), "message": {}}
        elif kind == "message-end":
            self._body |= {key: delta.get(key) for key in ("finish_reason", "usage", "error")}
        elif self._wants_content:
            self._add_content(index, fields(delta.get("message")))

    def _add_content(self, index: int, message: Mapping[str, Any]) -> None:
        self._plan.append(as_text(message.get("tool_plan")) or "")
        block = fields(message.get("content"))
        if block:
            held = self._blocks.setdefault(index, {"text": "", "thinking": ""})
            for name in ("text", "thinking"):
                held[name] += as_text(block.get(name)) or ""
        call = fields(message.get("tool_calls"))
        if call:
            made = self._calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
            made["id"] = made["id"] or call.get("id")
            for name in made["function"]:
                made["function"][name] += as_text(fields(call.get("function")).get(name)) or ""
        if fields(message.get("citations")):
            self._citations.append(message["citations"])

    def response(self) -> Response:
        """Returns the answer so far."""
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        content = [
            {"type": name, name: block[name]}
            for block in blocks
            for name in ("thinking", "text")
            if block[name]
        ]
        message = {
            "tool_plan": "".join(self._plan),
            "content": content,
            "tool_calls": [self._calls[index] for index in sorted(self._calls)],
            "citations": self._citations,
        }
        body = {**self._body, "message": message} if "message" in self._body else self._body
        return read_response(body, self._wants_content)


ENDPOINTS = (Endpoint("POST", r".*/v2/chat", read_request, read_response, ChatFold),)
