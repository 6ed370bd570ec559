"""Readers of chat completions: the request, the answer, and the fold of its stream."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages, semconv
from spanwise.integrations._openai_parameters import (
    answer_attributes,
    chat_usage,
    output_type,
    read_failure,
    sampling,
)
from spanwise.integrations._openai_parts import (
    annotated,
    audio_parts,
    call_part,
    content_parts,
    message_of,
    parts_of,
    reasoning_of,
    refusal,
    tool_definition,
)
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, items
from spanwise.messages import Message, Part
from spanwise.operation import Request, Response

_NO_INDEX = -1


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /chat/completions``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_OPENAI, as_text(body.get("model")))
    found = request.attributes = sampling(body)
    found[semconv.OPENAI_API_TYPE] = "chat_completions"
    limit = as_count(body.get("max_completion_tokens"))
    if limit is None:
        limit = as_count(body.get("max_tokens"))
    if limit is not None:
        found[semconv.REQUEST_MAX_TOKENS] = limit
    level = as_text(body.get("reasoning_effort")) or as_text(fields(body.get("reasoning")).get("effort"))
    if level:
        found[semconv.REQUEST_REASONING_LEVEL] = level
    kind = output_type(body.get("response_format"), body.get("modalities"))
    if kind:
        found[semconv.OUTPUT_TYPE] = kind
    if wants_content:
        request.input_messages = [message_of(message) for message in items(body.get("messages"))]
        tools = [*items(body.get("tools")), *items(body.get("functions"))]
        request.tool_definitions = [tool_definition(tool) for tool in tools] or None
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``ChatCompletion``, or the JSON it is made from."""
    body = fields(answer)
    choices = [fields(choice) for choice in items(body.get("choices"))]
    reasons = [as_text(choice.get("finish_reason")) for choice in choices]
    response = _head(body, reasons)
    for holder in (body, *choices):
        if "error" in holder:
            read_failure(response, holder["error"])
    if wants_content and choices:
        bodies = [fields(choice.get("message")) for choice in choices]
        response.output_messages = [
            _message(as_text(each.get("role")), parts_of(each), reason)
            for each, reason in zip(bodies, reasons, strict=True)
        ]
    return response


def _head(body: Mapping[str, Any], reasons: list[str | None]) -> Response:
    finished = [semconv.fold_finish_reason(reason) for reason in reasons if reason]
    return Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=finished or None,
        usage=chat_usage(body.get("usage")),
        attributes=answer_attributes(body),
    )


def _message(role: str | None, parts: list[Part], reason: str | None) -> Message:
    message: Message = {"role": role or "assistant", "parts": parts}
    if reason:
        message["finish_reason"] = semconv.fold_finish_reason(reason)
    return message


class _CallFold:
    """One tool call that arrives in pieces."""

    __slots__ = ("arguments", "id", "index", "is_custom", "name")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.name = ""
        self.is_custom = False
        self.arguments: list[str] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        self.id = self.id or as_text(delta.get("id"))
        custom = fields(delta.get("custom"))
        self.is_custom = self.is_custom or bool(custom)
        body = custom or fields(delta.get("function"))
        self.name += as_text(body.get("name")) or ""
        self.arguments.append(as_text(body.get("input" if custom else "arguments")) or "")

    def part(self) -> Part:
        arguments = "".join(self.arguments)
        if self.is_custom:
            return call_part({"id": self.id, "custom": {"name": self.name, "input": arguments}})
        return call_part({"id": self.id, "function": {"name": self.name, "arguments": arguments}})


class _ChoiceFold:
    """One choice of a streamed answer."""

    __slots__ = (
        "annotations",
        "audio",
        "calls",
        "is_content_wanted",
        "legacy",
        "parts",
        "reason",
        "refusal",
        "role",
        "thought",
    )

    def __init__(self, is_content_wanted: bool) -> None:
        self.is_content_wanted = is_content_wanted
        self.role: str | None = None
        self.reason: str | None = None
        self.thought: list[str] = []
        self.parts: list[Part | str] = []
        """Text as it comes, and parts where the server sends its content as a list."""
        self.refusal: list[str] = []
        self.annotations: list[Any] = []
        self.audio: dict[str, str] = {}
        self.calls: list[_CallFold] = []
        self.legacy: _CallFold | None = None

    def add(self, choice: Mapping[str, Any]) -> None:
        self.reason = choice.get("finish_reason") or self.reason
        delta = fields(choice.get("delta"))
        if not delta or not self.is_content_wanted:
            return
        self.role = self.role or delta.get("role")
        content = delta.get("content")
        if content:
            if isinstance(content, str):
                self.parts.append(content)
            else:
                self.parts += content_parts(content)
        thought = reasoning_of(delta)
        if thought:
            self.thought.append(thought)
        for call in items(delta.get("tool_calls")):
            self._call(fields(call))
        self._add_rare(delta)

    def _add_rare(self, delta: Mapping[str, Any]) -> None:
        if delta.get("refusal"):
            self.refusal.append(str(delta["refusal"]))
        self.annotations += items(delta.get("annotations"))
        if delta.get("function_call"):
            self.legacy = self.legacy or _CallFold(0)
            self.legacy.add({"function": delta["function_call"]})
        for key, value in fields(delta.get("audio")).items():
            if isinstance(value, str):
                grows = key in ("data", "transcript")
                self.audio[key] = self.audio.get(key, "") + value if grows else value

    def _call(self, delta: Mapping[str, Any]) -> None:
        """Adds a piece of a tool call. Some servers send no index, or whole calls that all have index 0."""
        index, call_id = as_count(delta.get("index")), as_text(delta.get("id"))
        if index is None:
            same = [call for call in self.calls if call_id and call.id == call_id]
            open_call = self.calls[-1:] if not call_id else same
        else:
            open_call = [call for call in self.calls if call.index == index][-1:]
            if open_call and call_id and open_call[0].id not in (None, call_id):
                open_call = []
        if not open_call:
            open_call = [_CallFold(_NO_INDEX if index is None else index)]
            self.calls += open_call
        open_call[0].add(delta)

    def message(self) -> Message:
        parts: list[Part] = []
        if self.thought:
            parts.append(messages.reasoning("".join(self.thought)))
        parts += annotated(_merged(self.parts), self.annotations)
        if self.refusal:
            parts.append(refusal("".join(self.refusal)))
        parts += audio_parts(self.audio)
        parts += [call.part() for call in self.calls]
        if self.legacy:
            parts.append(messages.tool_call(None, self.legacy.name, "".join(self.legacy.arguments)))
        return _message(self.role, parts, self.reason)


def _merged(pieces: list[Part | str]) -> list[Part]:
    """Returns the parts that pieces of text and of thinking add up to."""
    merged: list[tuple[Part, list[str]]] = []
    for piece in pieces:
        part = messages.text(piece) if isinstance(piece, str) else piece
        content = part.get("content")
        if not isinstance(content, str):
            merged.append((part, []))
        elif merged and merged[-1][0]["type"] == part["type"] in ("text", "reasoning"):
            merged[-1][1].append(content)
        else:
            merged.append((part, [content]))
    return [{**part, "content": "".join(texts)} if texts else part for part, texts in merged]


class ChatFold:
    """The fold of a stream of ``ChatCompletionChunk``."""

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _ChoiceFold] = {}
        self._failures: list[Any] = []

    def add(self, chunk: Any) -> None:
        """Adds one chunk. Some have no choices: content filters, usage, keep-alives."""
        if self._adds_text(chunk):
            return
        body = fields(chunk)
        self._add_head(body)
        for each in items(body.get("choices")):
            choice = fields(each)
            index = as_count(choice.get("index")) or 0
            fold = self._choices.get(index)
            if fold is None:
                fold = self._choices[index] = _ChoiceFold(self._wants_content)
            fold.add(choice)
            if "error" in choice:
                self._failures.append(choice["error"])

    def _adds_text(self, chunk: Any) -> bool:
        """Adds a chunk that only continues a choice's text: nearly all of a stream, so this is its cost.

        Anything else, known or not, is left to ``add``.
        """
        try:
            body = chunk.__dict__
            (choice,) = body["choices"]
            each = choice.__dict__
            delta = each["delta"]
            piece = delta.__dict__
            content = piece["content"]
            if (
                content.__class__ is not str
                or each["finish_reason"] is not None
                or piece["tool_calls"] is not None
                or piece["function_call"] is not None
                or piece["refusal"] is not None
                or body["usage"] is not None
                or delta.__pydantic_extra__
                or choice.__pydantic_extra__
                or chunk.__pydantic_extra__
            ):
                return False
            fold = self._choices[each["index"]]
        except (AttributeError, KeyError, TypeError, ValueError):
            return False  # a dictionary, the first chunk of a choice, or a server's own shape
        if content and self._wants_content:
            fold.parts.append(content)
        return True

    def response(self) -> Response:
        """Returns the answer so far."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        response = _head(self._head, [choice.reason for choice in choices])
        for failure in self._failures:
            read_failure(response, failure)
        if self._wants_content and choices:
            response.output_messages = [choice.message() for choice in choices]
        return response

    def _add_head(self, body: Mapping[str, Any]) -> None:
        head = self._head
        if not head.get("model") or not head.get("id"):  # Azure's first chunk has neither
            head.update({key: body.get(key) for key in ("id", "model") if body.get(key)})
        for key in ("usage", "service_tier", "system_fingerprint"):
            if body.get(key):
                head[key] = body[key]
        if "x_groq" in body and not head.get("usage"):
            head["usage"] = fields(body["x_groq"]).get("usage")
        if "error" in body:
            self._failures.append(body["error"])


ENDPOINT = Endpoint(
    method="POST",
    path=r".*/chat/completions",
    read_request=read_request,
    read_response=read_response,
    new_fold=ChatFold,
)
