"""OpenInference (Arize, Phoenix): flattened lists, span kinds in upper case, hidden content marked.

Source: openinference-semantic-conventions 0.1.42.
"""

from typing import Any

from spanwise import messages as shapes
from spanwise_collector.ingest.dialects.vocabulary import OPENINFERENCE_KINDS, fold_provider
from spanwise_collector.ingest.flat import Flat
from spanwise_collector.ingest.json_text import dumps
from spanwise_collector.ingest.messages import any_json, message, otel_messages, parts, text_part
from spanwise_collector.ingest.rules import (
    Dialect,
    Row,
    count,
    json_key,
    money,
    one_of,
    text,
    text_list,
    text_or_json,
)

# A message is a JSON object of any shape: hence Any.
Message = dict[str, Any]

_IDENTITY: tuple[Row, ...] = (
    ("openinference.span.kind", "operation", 20, one_of(OPENINFERENCE_KINDS)),
    ("llm.provider", "provider", 30, fold_provider),
    ("llm.system", "provider", 40, fold_provider),
    ("llm.request.model_name", "request_model", 20, text),
    ("embedding.model_name", "request_model", 30, text),
    ("reranker.model_name", "request_model", 31, text),
    ("llm.model_name", "request_model", 40, text),
    ("llm.invocation_parameters", "request_model", 50, json_key("model", text)),
    ("llm.response.model_name", "response_model", 20, text),
    ("llm.model_name", "response_model", 30, text),
    ("agent.name", "agent_name", 20, text),
    ("graph.node.name", "_node_name", 10, text),
    ("tool.name", "tool_name", 20, text),
    ("tool.id", "tool_call_id", 20, text),
    ("prompt.id", "prompt_name", 30, text),
    ("llm.prompt_template.version", "prompt_version", 30, text),
    ("tag.tags", "tags", 20, text_list),
    ("openinference.project.name", "_project", 10, text),
)

_ANSWER: tuple[Row, ...] = (
    ("llm.finish_reason", "finish_reasons", 40, text_list),
    ("llm.token_count.prompt", "input_tokens", 30, count),
    ("llm.token_count.completion", "output_tokens", 30, count),
    ("llm.token_count.prompt_details.cache_read", "cached_input_tokens", 30, count),
    ("llm.token_count.prompt_details.cache_input", "cached_input_tokens", 31, count),
    ("llm.token_count.prompt_details.cache_write", "cache_write_input_tokens", 30, count),
    ("llm.token_count.prompt_details.audio", "_audio_input_tokens", 30, count),
    ("llm.token_count.completion_details.reasoning", "reasoning_output_tokens", 30, count),
    ("llm.token_count.completion_details.audio", "_audio_output_tokens", 30, count),
    ("decision.token_count.input", "input_tokens", 70, count),
    ("decision.token_count.output", "output_tokens", 70, count),
    ("llm.cost.total", "reported_cost_usd", 10, money),
    ("llm.cost.prompt", "_reported_input_usd", 10, money),
    ("llm.cost.completion", "_reported_output_usd", 10, money),
)

_CONTENT: tuple[Row, ...] = (
    ("llm.input_messages", "input_messages", 21, otel_messages),
    ("llm.output_messages", "output_messages", 21, otel_messages),
    ("reranker.query", "_query", 20, text_or_json),
    ("input.value", "_input", 40, any_json),
    ("output.value", "_output", 40, any_json),
)

_MODALITY_PATHS = (
    ("image", "message_content.image.image.url", ""),
    ("audio", "message_content.audio.audio.url", "message_content.audio.audio.mime_type"),
    ("video", "message_content.video.video.url", ""),
    ("document", "message_content.document.document.url", "message_content.document.document.mime_type"),
)


def read_messages(root: Flat) -> str | None:
    """Reads ``llm.input_messages`` or ``llm.output_messages``."""
    found = [_message(item) for item in root.items()]
    return dumps(found) if found else None


def _message(item: Flat) -> Message:
    role = text(item.take("message.role")) or "user"
    call_id = text(item.take("message.tool_call_id"))
    content = text(item.take("message.content"))
    found: Message = {"role": role, "parts": []}
    pieces = found["parts"]
    if call_id is not None or (role == "tool" and content):
        pieces.append(shapes.tool_call_response(call_id, shapes.parsed(content)))
    elif content:
        pieces.append(text_part(content))
    for piece in item.items("message.contents"):
        pieces += _contents(piece, has_text=bool(content))
    known = {piece.get("id") for piece in pieces if piece["type"] == "tool_call"}
    pieces += [call for call in map(_tool_call, item.items("message.tool_calls")) if call["id"] not in known]
    if name := text(item.take("message.function_call_name")):
        pieces.append(shapes.tool_call(None, name, item.take("message.function_call_arguments_json")))
    if name := text(item.take("message.name")):
        found["name"] = name
    return found


def _contents(item: Flat, *, has_text: bool) -> list[Message]:
    kind = text(item.take("message_content.type"))
    content = text(item.take("message_content.text"))
    found: list[Message] = []
    if item.find("tool_call") is not None:
        found.append(_tool_call(item))
    if content:
        if kind == "reasoning":
            found.append(shapes.reasoning(content))
        elif not has_text:  # message.content already holds the plain form of the same text
            found.append(text_part(content))
    for modality, path, mime_path in _MODALITY_PATHS:
        if address := text(item.take(path)):
            mime = text(item.take(mime_path)) if mime_path else None
            found.append(
                text_part(address) if address.startswith("__") else shapes.uri(modality, address, mime)
            )
    return found


def _tool_call(item: Flat) -> Message:
    return shapes.tool_call(
        text(item.take("tool_call.id")),
        text(item.take("tool_call.function.name")) or "",
        item.take("tool_call.function.arguments"),
    )


def read_documents(root: Flat) -> str | None:
    """Reads ``retrieval.documents`` or ``reranker.output_documents``."""
    found = []
    for item in root.items():
        document: Message = {
            name: value
            for name in ("id", "score", "content", "metadata", "url", "mime_type", "name")
            if (value := item.take(f"document.{name}")) is not None
        }
        if "metadata" in document:
            document["metadata"] = shapes.parsed(document["metadata"])
        found.append(document)
    return dumps(found) if found else None


def read_tools(root: Flat) -> str | None:
    """Reads ``llm.tools``: OpenAI's tool schema, or a name and a description."""
    found = []
    for item in root.items():
        schema = shapes.parsed(item.take("tool.json_schema"))
        if isinstance(schema, dict):
            inner = schema.get("function")
            found.append({"type": "function", **(inner if isinstance(inner, dict) else schema)})
        else:
            named = {key: item.take(f"tool.{key}") for key in ("name", "description")}
            found.append({"type": "function", **{key: value for key, value in named.items() if value}})
    return dumps(found) if found else None


def read_prompts(root: Flat) -> str | None:
    """Reads ``llm.prompts`` of legacy completions."""
    found = [message(item.take("prompt.text"), "user") for item in root.items()]
    return dumps(found) if found else None


def read_choices(root: Flat) -> str | None:
    """Reads ``llm.choices`` of legacy completions."""
    found = [{"role": "assistant", "parts": parts(item.take("completion.text"))} for item in root.items()]
    return dumps(found) if found else None


def read_embedded_texts(root: Flat) -> str | None:
    """Reads the texts of ``embedding.embeddings``; vectors stay where they are."""
    found = [value for item in root.items() if (value := item.take("embedding.text")) is not None]
    return dumps(found) if found else None


FLAT_READERS = {
    "llm.input_messages": read_messages,
    "llm.output_messages": read_messages,
    "llm.tools": read_tools,
    "llm.prompts": read_prompts,
    "llm.choices": read_choices,
    "retrieval.documents": read_documents,
    "reranker.output_documents": read_documents,
    "embedding.embeddings": read_embedded_texts,
}

DIALECT = Dialect(
    name="openinference",
    bit=4,
    rows=_IDENTITY + _ANSWER + _CONTENT,
    flat={
        "llm.input_messages": ("input_messages", 20),
        "llm.output_messages": ("output_messages", 20),
        "llm.prompts": ("input_messages", 70),
        "llm.choices": ("output_messages", 70),
        "llm.tools": ("tool_definitions", 20),
        "retrieval.documents": ("documents", 20),
        "reranker.output_documents": ("documents", 21),
        "embedding.embeddings": ("input_text", 20),
    },
    neutral=frozenset({"openinference.project.name"}),
)
