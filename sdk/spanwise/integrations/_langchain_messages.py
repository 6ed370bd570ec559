"""LangChain's messages and results in the canonical shapes. Pure: reads foreign objects and imports none.

Messages are read by their fields, never by their methods, because ``content_blocks`` and the like parse and
may fail. A block that is not known travels as it is.

Source: langchain-core ``messages`` and ``outputs`` (1.x and 0.3).
"""

from collections.abc import Callable, Mapping
from typing import Any

from spanwise import messages as parts
from spanwise import semconv
from spanwise.integrations._provider_usage import provider_usage
from spanwise.integrations._stainless_fields import as_count, as_text, fields, items
from spanwise.messages import Message, Part
from spanwise.operation import Response, Usage

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}
_OWN_IDS = ("lc_", "run-", "lc_run-")
_MODALITIES = ("image", "audio", "video", "file")
_MAX_DEPTH = 5


def is_message(value: Any) -> bool:
    """Tells whether a value is one of LangChain's messages."""
    own = getattr(value, "__dict__", None)
    return own is not None and "content" in own and "additional_kwargs" in own


def message_of(value: Any) -> Message:
    """Returns one message; text and ``(role, text)`` pairs become messages too."""
    if isinstance(value, str):
        return {"role": "user", "parts": [parts.text(value)]}
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return {"role": _role(value[0]), "parts": _content(value[1])}
    held = fields(value)
    kind = as_text(held.get("type")) or as_text(held.get("role")) or "user"
    role = as_text(held.get("role")) if kind in ("chat", "ChatMessageChunk") else _role(kind)
    if kind in ("tool", "ToolMessageChunk"):
        response = _content(held.get("content"))
        body: object = response[0]["content"] if _is_one_text(response) else response
        return _named(held, "tool", [parts.tool_call_response(held.get("tool_call_id"), body)])
    return _named(held, role or "user", _content(held.get("content")) + _tool_calls(held))


def shaped(value: Any, depth: int = 0) -> Any:
    """Returns a step's input or output with the messages in it in the canonical shape."""
    if value is None or isinstance(value, (str, int, float, bool)) or depth > _MAX_DEPTH:
        return value
    if is_message(value):
        return message_of(value)
    if isinstance(value, Mapping):
        return {key: shaped(item, depth + 1) for key, item in list(value.items())}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [shaped(item, depth + 1) for item in value]
    own = getattr(value, "__dict__", {})
    if "messages" in own and len(own) <= 2:  # a ChatPromptValue
        return shaped(own["messages"], depth + 1)
    if "text" in own and type(value).__name__ == "StringPromptValue":
        return own["text"]
    return value


def system_and_rest(messages: Any) -> tuple[list[Part], list[Message]]:
    """Splits one conversation into system instructions and the rest."""
    system: list[Part] = []
    rest: list[Message] = []
    for each in map(message_of, items(messages)):
        if each["role"] in ("system", "developer") and not rest:
            system.extend(each["parts"])
        else:
            rest.append(each)
    return system, rest


def response_of(result: Any, wants_content: bool) -> Response:
    """Reads an ``LLMResult`` of one run: its candidates, usage, model and finish reasons."""
    held = fields(result)
    batches = items(held.get("generations"))
    candidates = items(batches[0]) if batches else ()
    output = fields(held.get("llm_output"))
    response = Response(usage=_usage_of(candidates, output))
    reasons = [reason for each in candidates if (reason := _finish_reason(each))]
    response.finish_reasons = reasons or None
    for each in candidates:
        message = fields(fields(each).get("message"))
        meta = fields(message.get("response_metadata"))
        response.model = response.model or _first_text(meta, ("model_name", "model", "model_id"))
        response.id = response.id or _id_of(message, meta)
    response.model = response.model or _first_text(output, ("model_name", "model"))
    response.id = response.id or as_text(output.get("id"))
    if wants_content:
        response.output_messages = [_answer(each) for each in candidates]
    return response


def reader_of(told: Any, params: Mapping[str, Any]) -> Callable[[Any, bool], Response]:
    """Returns what reads a model's answer, with what it was asked: both are content."""

    def read(result: Any, wants_content: bool) -> Response:
        response = response_of(result, wants_content) if result is not None else Response()
        if wants_content:
            system, rest = system_and_rest([message_of(each) for each in told] if _are_texts(told) else told)
            tools = [dict(fields(each)) for each in items(params.get("tools"))]
            own = (
                (semconv.SYSTEM_INSTRUCTIONS, system),
                (semconv.INPUT_MESSAGES, rest),
                (semconv.TOOL_DEFINITIONS, tools),
            )
            response.content.update({key: value for key, value in own if value})
        return response

    return read


def document_of(value: Any) -> Any:
    """Returns a document with the score that retrievers leave in its metadata."""
    held = fields(value)
    metadata = fields(held.get("metadata"))
    scored = ((name, metadata.get(name)) for name in ("score", "relevance_score", "_score", "similarity"))
    score = next((told for _, told in scored if isinstance(told, (int, float))), None)
    if "page_content" not in held:
        return value
    document = {"id": held.get("id"), "content": held["page_content"], "metadata": metadata, "score": score}
    return {key: kept for key, kept in document.items() if kept is not None and kept != {}}


def usage_of(usage: Any) -> Usage | None:
    """Reads ``usage_metadata``, in which the totals include cached and reasoning tokens."""
    held = fields(usage)
    if as_count(held.get("input_tokens")) is None and as_count(held.get("output_tokens")) is None:
        return None
    received, made = fields(held.get("input_token_details")), fields(held.get("output_token_details"))
    return Usage(
        input_tokens=as_count(held.get("input_tokens")),
        output_tokens=as_count(held.get("output_tokens")),
        cache_read_input_tokens=as_count(received.get("cache_read")),
        cache_write_input_tokens=as_count(received.get("cache_creation")),
        audio_input_tokens=as_count(received.get("audio")),
        audio_output_tokens=as_count(made.get("audio")),
        reasoning_output_tokens=as_count(made.get("reasoning")),
    )


def _usage_of(candidates: Any, output: Mapping[str, Any]) -> Usage | None:
    """Reads the message's own usage; subsets that older packages leave out the provider tells."""
    usage: Usage | None = None
    told: Mapping[str, Any] = fields(output.get("token_usage")) or fields(output.get("usage"))
    for each in candidates:
        message = fields(fields(each).get("message"))
        usage = usage or usage_of(message.get("usage_metadata"))
        told = told or fields(fields(message.get("response_metadata")).get("token_usage"))
    further = provider_usage(told)
    if usage is None or further is None:
        return usage or further
    for name in ("cache_read_input_tokens", "reasoning_output_tokens"):
        if getattr(usage, name) is None:
            setattr(usage, name, getattr(further, name))
    return usage


def _answer(candidate: Any) -> Message:
    held = fields(candidate)
    message = held.get("message")
    if message is None:
        answer: Message = {"role": "assistant", "parts": _content(held.get("text"))}
    else:
        answer = message_of(message)
    reason = _finish_reason(candidate)
    if reason:
        answer["finish_reason"] = reason
    return answer


def _finish_reason(candidate: Any) -> str | None:
    held = fields(candidate)
    meta = fields(fields(held.get("message")).get("response_metadata"))
    for place in (fields(held.get("generation_info")), meta):
        reason = _first_text(place, ("finish_reason", "stop_reason", "stopReason", "done_reason"))
        if reason:
            return semconv.fold_finish_reason(reason)
    return None


def _id_of(message: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    """Returns the provider's id; LangChain makes up ids of its own where it knows none."""
    told = as_text(meta.get("id")) or as_text(message.get("id"))
    return told if told and not told.startswith(_OWN_IDS) else None


def _named(held: Mapping[str, Any], role: str, content: list[Part]) -> Message:
    message: Message = {"role": role, "parts": content}
    name = as_text(held.get("name"))
    if name:
        message["name"] = name
    return message


def _role(kind: Any) -> str:
    word = kind if isinstance(kind, str) else "user"
    return _ROLES.get(word, word.removesuffix("MessageChunk").lower())


def _tool_calls(held: Mapping[str, Any]) -> list[Part]:
    called = [fields(each) for each in items(held.get("tool_calls"))]
    broken = [fields(each) for each in items(held.get("invalid_tool_calls"))]
    return [
        parts.tool_call(as_text(each.get("id")), str(each.get("name") or ""), each.get("args"))
        for each in called + broken
    ]


def _is_one_text(content: list[Part]) -> bool:
    return len(content) == 1 and content[0].get("type") == "text"


def _content(content: Any) -> list[Part]:
    """Reads text, or a list of blocks in LangChain's or a provider's own shape."""
    if isinstance(content, str):
        return [parts.text(content)] if content else []
    found: list[Part] = []
    for block in items(content):
        part = parts.text(block) if isinstance(block, str) else _block(fields(block))
        if part is not None:
            found.append(part)
    return found


def _block(block: Mapping[str, Any]) -> Part | None:
    kind = as_text(block.get("type")) or ""
    if kind == "text":
        return parts.text(str(block.get("text") or ""))
    if kind in ("tool_use", "tool_call", "function_call", "input_json_delta", "tool_call_chunk"):
        return None  # the message's tool_calls say the same
    if kind in ("thinking", "reasoning"):
        told = block.get("thinking") or block.get("reasoning") or block.get("text") or block.get("summary")
        return parts.reasoning(told if isinstance(told, str) else _texts(told))
    if kind == "image_url":
        image = block.get("image_url")
        return parts.uri("image", str(image if isinstance(image, str) else fields(image).get("url") or ""))
    if kind in _MODALITIES:
        return _data(kind, block)
    return dict(block)


def _data(kind: str, block: Mapping[str, Any]) -> Part:
    """Reads a standard data block: base64, a URL, or a file that the provider keeps."""
    mime_type = as_text(block.get("mime_type"))
    source = fields(block.get("source"))  # Anthropic's own shape
    data = block.get("base64") or block.get("data") or source.get("data")
    if isinstance(data, str):
        return parts.blob(kind, data, mime_type or as_text(source.get("media_type")))
    address = as_text(block.get("url")) or as_text(source.get("url"))
    if address:
        return parts.uri(kind, address, mime_type)
    file_id = as_text(block.get("file_id")) or as_text(block.get("id"))
    return parts.file(kind, file_id, mime_type) if file_id else dict(block)


def _texts(value: Any) -> str:
    return "".join(str(fields(each).get("text") or "") for each in items(value))


def _first_text(held: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = as_text(held.get(name))
        if value:
            return value
    return None


def _are_texts(told: Any) -> bool:
    return any(isinstance(each, str) for each in told)
