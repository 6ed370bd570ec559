"""Readers of Bedrock's Converse API, and of Nova's own format, which is the same but for some names."""

import json
from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _bedrock_guardrail as guardrail
from spanwise.integrations._bedrock_blocks import blocks, message_of, tool_definition
from spanwise.integrations._openai_parameters import first_count
from spanwise.integrations._stainless_fields import (
    as_count,
    as_number,
    as_text,
    as_texts,
    fields,
    given,
    items,
)
from spanwise.operation import AttributeValue, Request, Response, Usage


def read_request(params: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the parameters of ``converse``, or the body of a call of Nova by ``invoke_model``."""
    request = Request(semconv.OP_CHAT, semconv.PROVIDER_BEDROCK)
    guard = fields(params.get("guardrailConfig"))
    request.attributes = _sampling(params) | guardrail.request_attributes(
        guard.get("guardrailIdentifier"), guard.get("guardrailVersion")
    )
    if wants_content:
        request.system_instructions = blocks(params.get("system")) or None
        request.input_messages = [message_of(message) for message in items(params.get("messages"))]
        tools = [fields(tool) for tool in items(fields(params.get("toolConfig")).get("tools"))]
        request.tool_definitions = [
            tool_definition(tool) for tool in tools if "cachePoint" not in tool
        ] or None
    return request


def _sampling(params: Mapping[str, Any]) -> dict[str, AttributeValue]:
    config, further = (
        fields(params.get("inferenceConfig")),
        fields(params.get("additionalModelRequestFields")),
    )
    own = fields(further.get("inferenceConfig"))
    thinking = fields(further.get("thinking") or further.get("reasoning_config"))
    reasoning = fields(params.get("reasoningConfig") or further.get("reasoningConfig"))
    level = as_text(further.get("reasoning_effort")) or as_text(reasoning.get("maxReasoningEffort"))
    text_format = fields(fields(params.get("outputConfig")).get("textFormat"))
    return given(
        [
            (semconv.REQUEST_MAX_TOKENS, first_count((config, "maxTokens"), (config, "max_new_tokens"))),
            (semconv.REQUEST_TEMPERATURE, as_number(config.get("temperature"))),
            (semconv.REQUEST_TOP_P, as_number(config.get("topP", config.get("top_p")))),
            (
                semconv.REQUEST_TOP_K,
                first_count((config, "topK"), (config, "top_k"), (further, "top_k"), (own, "topK")),
            ),
            (semconv.REQUEST_STOP_SEQUENCES, as_texts(config.get("stopSequences"))),
            (semconv.REQUEST_REASONING_LEVEL, level),
            (semconv.OUTPUT_TYPE, "json" if text_format.get("type") == "json_schema" else None),
            ("anthropic.thinking.type", as_text(thinking.get("type"))),
            ("anthropic.thinking.budget_tokens", as_count(thinking.get("budget_tokens"))),
        ]
    )


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer of ``converse``, or of Nova."""
    body = fields(answer)
    stop, message = as_text(body.get("stopReason")), fields(fields(body.get("output")).get("message"))
    reason = semconv.fold_finish_reason(stop) if stop else None
    router = fields(fields(body.get("trace")).get("promptRouter"))
    response = Response(
        model=as_text(router.get("invokedModelId")),
        finish_reasons=[reason] if reason else None,
        usage=usage_of(body.get("usage")),
        attributes=_answer_attributes(body, stop),
    )
    if wants_content and message:
        parts = blocks(message.get("content"))
        response.output_messages = [{"role": as_text(message.get("role")) or "assistant", "parts": parts}]
        if reason:
            response.output_messages[0]["finish_reason"] = reason
    return response


def _answer_attributes(body: Mapping[str, Any], stop: str | None) -> dict[str, AttributeValue]:
    action = as_text(body.get("amazon-bedrock-guardrailAction"))
    if stop == "guardrail_intervened":
        action = "INTERVENED"
    latency = as_count(fields(body.get("metrics")).get("latencyMs"))
    return given([(semconv.BEDROCK_LATENCY_MS, latency)]) | guardrail.answer_attributes(
        action, guardrail.trace_of(body)
    )


def usage_of(reported: Any) -> Usage | None:
    """Returns the token counts of ``usage``. Bedrock counts cached tokens apart; the total includes them."""
    usage = fields(reported)
    if not usage:
        return None
    uncached = as_count(usage.get("inputTokens"))
    read = first_count((usage, "cacheReadInputTokens"), (usage, "cacheReadInputTokenCount"))
    written = first_count((usage, "cacheWriteInputTokens"), (usage, "cacheWriteInputTokenCount"))
    known = [count for count in (uncached, read, written) if count is not None]
    return Usage(
        input_tokens=sum(known) if known else None,
        output_tokens=as_count(usage.get("outputTokens")),
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
    )


class ConverseFold:
    """The fold of a stream of events: rebuilds the answer's JSON.

    An event is an object with one key that names its kind, the way ``converse_stream`` gives it and Nova
    writes it.
    """

    def __init__(self, wants_content: bool) -> None:
        self._wants_content = wants_content
        self._answer: dict[str, Any] = {}
        self._role: str | None = None
        self._blocks: dict[int, _BlockFold] = {}

    def add(self, event: Any) -> None:
        """Adds one event."""
        body = fields(event)
        delta = body.get("contentBlockDelta")
        if delta is not None:
            if self._wants_content:
                self._block(fields(delta)).add(fields(fields(delta).get("delta")))
            return
        start = fields(body.get("contentBlockStart"))
        if start:
            self._block(start).start(fields(start.get("start")))
        if "messageStart" in body:
            self._role = as_text(fields(body["messageStart"]).get("role"))
        self._answer |= {key: value for key, value in body.items() if key.startswith("amazon-bedrock-")}
        for end in ("messageStop", "metadata"):
            self._answer |= {key: value for key, value in fields(body.get(end)).items() if value}

    def response(self) -> Response:
        """Returns the answer so far."""
        answer = dict(self._answer)
        if self._role or self._blocks:
            content = _merged([self._blocks[index].block() for index in sorted(self._blocks)])
            answer["output"] = {"message": {"role": self._role, "content": content}}
        return read_response(answer, self._wants_content)

    def _block(self, body: Mapping[str, Any]) -> "_BlockFold":
        index = as_count(body.get("contentBlockIndex")) or 0
        found = self._blocks.get(index)
        if found is None:
            found = self._blocks[index] = _BlockFold()
        return found


def _merged(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns blocks with neighbouring texts joined: Nova gives every piece of a text a block of its own."""
    merged: list[tuple[dict[str, Any], list[str]]] = []
    for block in content:
        if list(block) == ["text"]:
            if not merged or not merged[-1][1]:
                merged.append(({}, []))
            merged[-1][1].append(block["text"])
        else:
            merged.append((block, []))
    return [{"text": "".join(texts)} if texts else block for block, texts in merged]


class _BlockFold:
    """One content block that arrives in pieces."""

    __slots__ = ("_kind", "_pieces", "_rest", "_start")

    def __init__(self) -> None:
        self._kind = ""
        self._start: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._rest: list[Any] = []

    def start(self, start: Mapping[str, Any]) -> None:
        for kind, value in start.items():
            self._kind, self._start = kind, dict(fields(value))

    def add(self, delta: Mapping[str, Any]) -> None:
        for kind, value in delta.items():
            if kind == "citation":  # belongs to the text around it
                self._rest.append(value)
                self._kind = "citationsContent"
                continue
            if self._kind != "citationsContent":
                self._kind = kind
            self._add(kind, value)

    def _add(self, kind: str, value: Any) -> None:
        if isinstance(value, str):
            self._pieces.append(value)
        elif kind == "toolResult":
            self._rest += items(value) or items(fields(value).get("content"))
        else:
            held = fields(value)
            piece = held.get("input" if kind == "toolUse" else "text")
            if isinstance(piece, str):
                self._pieces.append(piece)
            else:
                self._start |= {key: item for key, item in held.items() if key != "signature"}

    def block(self) -> dict[str, Any]:
        content = "".join(self._pieces)
        if self._kind == "toolUse":
            return {"toolUse": {**self._start, "input": _arguments(content)}}
        if self._kind == "toolResult":
            return {"toolResult": {**self._start, "content": self._rest}}
        if self._kind == "reasoningContent":
            return {"reasoningContent": self._start or {"reasoningText": {"text": content}}}
        if self._kind == "citationsContent":
            return {"citationsContent": {"content": [{"text": content}], "citations": self._rest}}
        if self._kind in ("", "text"):
            return {"text": content}
        return {self._kind: self._start}


def _arguments(content: str) -> Any:
    """A tool's arguments; the text itself where the stream was left before they were complete."""
    try:
        return json.loads(content) if content else {}
    except ValueError:
        return content
