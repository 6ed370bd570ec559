"""LlamaIndex's objects in the canonical shapes. Pure: reads foreign objects and imports none.

Source: llama-index-core ``base.llms.types``, ``schema`` and ``workflow`` (0.14 and 0.12).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from spanwise import messages as parts
from spanwise import semconv
from spanwise.integrations._langchain_facts import conversation_of
from spanwise.integrations._provider_usage import provider_usage
from spanwise.integrations._stainless_fields import as_count, as_number, as_text, fields, items
from spanwise.messages import Message, Part
from spanwise.operation import AttributeValue, Request, Response

Attributes = dict[str, AttributeValue]
_MAX_DEPTH = 5
_PROVIDERS = {
    "azureopenai": semconv.PROVIDER_AZURE_OPENAI,
    "azure_openai_llm": semconv.PROVIDER_AZURE_OPENAI,
    "bedrock": semconv.PROVIDER_BEDROCK,
    "gemini": semconv.PROVIDER_GEMINI,
    "googlegenai": semconv.PROVIDER_GEMINI,
    "vertex": semconv.PROVIDER_VERTEX_AI,
    "mistralai": semconv.PROVIDER_MISTRAL,
    "openrouter": semconv.PROVIDER_OPENROUTER,
    "together": semconv.PROVIDER_TOGETHER,
}
_FAMILIES = (
    "azure",
    "openai",
    "anthropic",
    "bedrock",
    "gemini",
    "googlegenai",
    "vertex",
    "mistralai",
    "cohere",
)


def kinds_of(instance: Any) -> frozenset[str]:
    """Returns the names of an object's classes."""
    return (
        frozenset(kind.__name__ for kind in type(instance).__mro__) if instance is not None else frozenset()
    )


def provider_of(instance: Any) -> str:
    """Returns the provider that a model object stands for, else its class in lower case."""
    name = type(instance).__name__.lower()
    for family in _FAMILIES:
        if name.startswith(family):
            name = "azureopenai" if family == "azure" else family
            break
    return _PROVIDERS.get(name, name)


def model_request(operation: str, instance: Any) -> Request:
    """Returns the request of a model as far as its object tells it."""
    held = fields(instance)
    model = as_text(held.get("model")) or as_text(held.get("model_name"))
    model = None if model == "unknown" else model
    attributes: Attributes = {semconv.STEP_NAME: type(instance).__name__}
    temperature, limit = as_number(held.get("temperature")), as_count(held.get("max_tokens"))
    if temperature is not None:
        attributes[semconv.REQUEST_TEMPERATURE] = temperature
    if limit is not None:
        attributes[semconv.REQUEST_MAX_TOKENS] = limit
    return Request(
        operation=operation,
        provider=provider_of(instance),
        model=model,
        subject=None if model else type(instance).__name__,
        attributes=attributes,
    )


def template_of(event: Any) -> tuple[str, str | None, dict[str, Any]] | None:
    """Returns name, version and variables of the template that an event of ``predict`` names.

    The version is the first 12 digits of the SHA-256 of the template's text.
    """
    held = fields(event)
    template = fields(held.get("template"))
    metadata = fields(template.get("metadata"))
    kind = metadata.get("prompt_type")
    name = as_text(getattr(kind, "value", kind)) or type(held.get("template")).__name__
    inner = fields(template.get("default_template")) or template
    text = as_text(inner.get("template")) or as_text(inner.get("template_str"))
    filled = {**fields(template.get("kwargs")), **fields(held.get("template_args"))}
    plain = {key: value for key, value in filled.items() if isinstance(value, (str, int, float, bool))}
    version = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12] if text else None
    return name, version, plain


def tags_of(tags: Any) -> Attributes:
    """Returns what ``instrument_tags`` tell: the conversation, the user, and the rest as metadata."""
    held = fields(tags)
    found = conversation_of(held)
    for key, value in held.items():
        if not isinstance(key, str) or key.startswith("llamaindex.") or key in ("thread_id", "session_id"):
            continue
        if key == "user_id":
            found[semconv.USER_ID] = str(value)
        elif isinstance(value, (str, bool, int, float)):
            found[semconv.METADATA_PREFIX + key] = value
    return found


# --- messages -----------------------------------------------------------------------------------------------


def is_message(value: Any) -> bool:
    """Tells whether a value is a ``ChatMessage``."""
    own = getattr(value, "__dict__", None)
    return own is not None and "role" in own and ("blocks" in own or "content" in own)


def message_of(value: Any) -> Message:
    """Returns one message."""
    if isinstance(value, str):
        return {"role": "user", "parts": [parts.text(value)]}
    held = fields(value)
    role = held.get("role")
    word = as_text(getattr(role, "value", role)) or "user"
    further = fields(held.get("additional_kwargs"))
    found = [part for block in items(held.get("blocks")) if (part := _block(block)) is not None]
    if not found and isinstance(held.get("content"), str):
        found = [parts.text(held["content"])]
    call_id = as_text(further.get("tool_call_id"))
    if word == "tool" or call_id:
        texts = "".join(part.get("content", "") for part in found if part.get("type") == "text")
        return {"role": "tool", "parts": [parts.tool_call_response(call_id, texts)]}
    if not any(part.get("type") == "tool_call" for part in found):
        found.extend(_tool_calls(further))
    return {"role": "assistant" if word in ("assistant", "chatbot", "model") else word, "parts": found}


def shaped(value: Any, depth: int = 0) -> Any:
    """Returns an input or output with the messages in it in the canonical shape, queries as their text."""
    if value is None or isinstance(value, (str, int, float, bool)) or depth > _MAX_DEPTH:
        return value
    if is_message(value):
        return message_of(value)
    if isinstance(value, Mapping):
        return {key: shaped(item, depth + 1) for key, item in list(value.items())}
    if isinstance(value, (list, tuple)):
        return [shaped(item, depth + 1) for item in value]
    own = getattr(value, "__dict__", {})
    if "query_str" in own:
        return own["query_str"]
    if "response" in own and ("source_nodes" in own or "tool_calls" in own):
        return shaped(own["response"], depth + 1)
    if own.get("_data") and not own.get("result"):  # an event of a workflow
        return shaped(own["_data"], depth + 1)
    return shaped(own["result"], depth + 1) if "result" in own else value


def request_content(arguments: Mapping[str, Any]) -> list[Message]:
    """Returns what a model was asked, from the arguments of ``chat`` or ``complete``."""
    given = {**fields(arguments.get("kwargs")), **arguments}
    told = given.get("messages")
    if told is None:
        positional = items(arguments.get("args"))
        told = positional[0] if positional else given.get("prompt")
    listed = [told] if isinstance(told, str) else items(told)
    return [message_of(each) for each in listed]


def response_of(answer: Any, wants_content: bool) -> Response:
    """Reads a ``ChatResponse`` or ``CompletionResponse``."""
    held = fields(answer)
    raw = fields(held.get("raw"))
    further = fields(held.get("additional_kwargs"))
    choices = items(raw.get("choices"))
    reason = as_text(fields(choices[0]).get("finish_reason")) if choices else as_text(raw.get("stop_reason"))
    response = Response(
        id=as_text(raw.get("id")),
        model=as_text(raw.get("model")),
        finish_reasons=[semconv.fold_finish_reason(reason)] if reason else None,
        usage=provider_usage(fields(raw.get("usage")) or further),
    )
    if wants_content and held:
        message = held.get("message")
        answered: Message = (
            {"role": "assistant", "parts": [parts.text(str(held.get("text") or ""))]}
            if message is None
            else message_of(message)
        )
        if response.finish_reasons:
            answered["finish_reason"] = response.finish_reasons[0]
        response.output_messages = [answered]
    return response


def _tool_calls(further: Mapping[str, Any]) -> list[Part]:
    found = []
    for each in items(further.get("tool_calls")):
        call = fields(each)
        function = fields(call.get("function")) or call
        arguments = function.get("arguments", function.get("input"))
        name = as_text(function.get("name")) or ""
        found.append(parts.tool_call(as_text(call.get("id")), name, arguments))
    return found


def _block(block: Any) -> Part | None:
    held = fields(block)
    kind = as_text(held.get("block_type")) or as_text(held.get("type")) or ""
    if kind == "text":
        return parts.text(str(held.get("text") or ""))
    if kind == "thinking":
        return parts.reasoning(str(held.get("content") or ""))
    if kind == "tool_call":
        name = as_text(held.get("tool_name")) or ""
        return parts.tool_call(as_text(held.get("tool_call_id")), name, held.get("tool_kwargs"))
    if kind in ("image", "audio", "video", "document"):
        return _data(kind, held)
    return {"type": kind or "unknown", **{key: value for key, value in held.items() if key != "block_type"}}


def _data(kind: str, held: Mapping[str, Any]) -> Part:
    modality = "file" if kind == "document" else kind
    mime_type = as_text(held.get(f"{kind}_mimetype")) or as_text(held.get("mimetype"))
    address = held.get("url")
    if address is not None:
        return parts.uri(modality, str(address), mime_type)
    data = held.get("data") if held.get(kind) is None else held.get(kind)
    text = data.decode("ascii", "replace") if isinstance(data, bytes) else str(data or "")
    return parts.blob(modality, text, mime_type)
