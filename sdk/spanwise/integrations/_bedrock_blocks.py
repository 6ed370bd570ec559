"""Content blocks of Bedrock's Converse API and of Nova's own format, which differ only in how bytes travel.

A block is an object with one key that names its kind. ``converse`` gets and gives bytes; in Nova's JSON they
are base64 already.
"""

from collections.abc import Callable, Mapping
from typing import Any

from spanwise import messages
from spanwise.integrations._openai_items import server_tool_call, server_tool_response
from spanwise.integrations._stainless_fields import as_text, as_texts, fields, items, joined, plain
from spanwise.messages import Message, Part

_MIME_TYPES = {
    "jpg": "image/jpeg",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "three_gp": "video/3gpp",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
}
_MARKERS = ("cachePoint",)
"""Blocks that hold nothing: they say where the provider's cache may cut."""


def message_of(sent: Any) -> Message:
    """Returns a message of a request or an answer; a tool's result stays in the user message it came in."""
    body = fields(sent)
    return {"role": as_text(body.get("role")) or "user", "parts": blocks(body.get("content"))}


def blocks(content: Any) -> list[Part]:
    """Returns the parts of a list of blocks, or of text alone."""
    if isinstance(content, str):
        return [messages.text(content)] if content else []
    return [part for block in items(content) for part in _parts(block)]


def _parts(sent: Any) -> list[Part]:
    """Returns the parts of one block. A kind that is not known passes through unchanged."""
    if isinstance(sent, str):
        return [messages.text(sent)]
    block = fields(sent)
    for kind, read in _BLOCKS.items():
        if block.get(kind) is not None:
            return read(block[kind])
    return [{"type": kind, "content": plain(value)} for kind, value in block.items() if kind not in _MARKERS]


def tool_definition(sent: Any) -> dict[str, Any]:
    """Returns a tool in OpenTelemetry's shape; tools that Bedrock runs keep their own fields."""
    tool = fields(sent)
    spec = fields(tool.get("toolSpec"))
    if not spec:
        kind = next(iter(tool), "unknown")
        own = fields(tool.get(kind))
        return {**_plain(own), "type": kind, "name": as_text(own.get("name")) or kind}
    found: dict[str, Any] = {"type": "function", "name": str(spec.get("name"))}
    if as_text(spec.get("description")):
        found["description"] = spec["description"]
    schema = fields(spec.get("inputSchema")).get("json")
    if schema is not None:
        found["parameters"] = messages.parsed(plain(schema))
    return found


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(value) for key, value in values.items() if value is not None}


def _text(content: Any) -> list[Part]:
    return (
        [messages.text(content)]
        if isinstance(content, str)
        else [{"type": "text", "content": plain(content)}]
    )


def _media(modality: str) -> Callable[[Any], list[Part]]:
    """Returns the reader of an image, a sound, a video or a document: bytes, text, or an address in S3."""

    def read(sent: Any) -> list[Part]:
        block = fields(sent)
        source, suffix = fields(block.get("source")), as_text(block.get("format"))
        mime_type = _MIME_TYPES.get(suffix, f"{modality}/{suffix}") if suffix else None
        data, address = source.get("bytes"), as_text(fields(source.get("s3Location")).get("uri"))
        shown = as_text(source.get("text")) or joined(source.get("content"))
        if data is not None:
            part = messages.blob(modality, plain(data), mime_type)
        elif address:
            part = messages.uri(modality, address, mime_type)
        elif shown:
            part = messages.text(shown)
        else:
            part = {"type": modality, "content": plain(sent)}
        if as_text(block.get("name")):
            part["name"] = block["name"]
        return [part]

    return read


def _tool_use(sent: Any) -> list[Part]:
    call = fields(sent)
    call_id, name = as_text(call.get("toolUseId")), str(call.get("name"))
    arguments, kind = plain(call.get("input")), as_text(call.get("type"))
    if kind and kind.startswith("server"):  # a tool that Bedrock runs
        return [server_tool_call(call_id, name, {"type": kind, "input": messages.parsed(arguments)})]
    return [messages.tool_call(call_id, name, arguments)]


def _tool_result(sent: Any) -> list[Part]:
    result = fields(sent)
    call_id, kind = as_text(result.get("toolUseId")), as_text(result.get("type"))
    response = _tool_output(items(result.get("content")))
    is_error = result.get("status") == "error"
    if kind and kind != "tool_result":  # what a tool that Bedrock ran found
        details = {"type": kind, "content": response} | ({"is_error": True} if is_error else {})
        return [server_tool_response(call_id, details)]
    part = messages.tool_call_response(call_id, response)
    return [part | {"is_error": True} if is_error else part]


def _tool_output(content: Any) -> Any:
    """Returns a tool's text, its JSON, or a list of parts where it gave more than that."""
    held = [fields(each) for each in content]
    if held and all("text" in each for each in held):
        return joined(held)
    if len(held) == 1 and "json" in held[0]:
        return plain(held[0]["json"])
    return blocks(content)


def _guarded(sent: Any) -> list[Part]:
    """Content that the application marked for its guardrail."""
    held = fields(sent)
    image, shown = held.get("image"), fields(held.get("text"))
    part = _media("image")(image)[0] if image is not None else messages.text(str(shown.get("text") or ""))
    qualifiers = as_texts(shown.get("qualifiers"))
    return [{**part, "guarded": True} | ({"qualifiers": qualifiers} if qualifiers else {})]


def _reasoning(sent: Any) -> list[Part]:
    """Thinking, shown or such that only the provider can read it; signatures are not recorded."""
    held = fields(sent)
    if held.get("redactedContent") is not None:
        return [{**messages.reasoning(""), "redacted": True}]
    return [messages.reasoning(str(fields(held.get("reasoningText")).get("text") or ""))]


def _cited(sent: Any) -> list[Part]:
    held = fields(sent)
    part = messages.text(joined(held.get("content")))
    if items(held.get("citations")):
        part["citations"] = plain(held["citations"])
    return [part]


def _json(sent: Any) -> list[Part]:
    return [{"type": "json", "content": plain(sent)}]


_BLOCKS: dict[str, Callable[[Any], list[Part]]] = {
    "text": _text,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "guardContent": _guarded,
    "citationsContent": _cited,
    "json": _json,
}
