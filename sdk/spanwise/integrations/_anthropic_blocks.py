"""Content blocks of Anthropic's messages, sent and received."""

from collections.abc import Callable, Mapping
from typing import Any

from spanwise import messages
from spanwise.integrations._openai_items import server_tool_call, server_tool_response
from spanwise.integrations._openai_parts import passed_on
from spanwise.integrations._stainless_fields import as_text, fields, items, joined, plain
from spanwise.messages import Message, Part


def message_of(sent: Any) -> Message:
    """Returns a message of a request's history; a tool's result stays in the user message that brought it."""
    body = fields(sent)
    return {"role": str(body.get("role") or "user"), "parts": blocks(body.get("content"))}


def blocks(content: Any) -> list[Part]:
    """Returns the parts of text or of a list of blocks."""
    if isinstance(content, str):
        return [messages.text(content)] if content else []
    return [block_part(block) for block in items(content) if block is not None]


def block_part(sent: Any) -> Part:
    """Returns one block's part. A type that is not known passes through unchanged."""
    if isinstance(sent, str):
        return messages.text(sent)
    block = fields(sent)
    kind = str(block.get("type"))
    read = _BLOCKS.get(kind)
    if read:
        return read(block)
    if kind.endswith("_tool_result"):
        return _server_result(kind, block)
    return passed_on(sent)


def tool_definition(sent: Any) -> dict[str, Any]:
    """Returns a tool in OpenTelemetry's shape; tools that Anthropic runs keep their own fields."""
    tool = fields(sent)
    schema, kind = tool.get("input_schema"), as_text(tool.get("type")) or "custom"
    if kind != "custom" and schema is None:
        own = {key: plain(value) for key, value in tool.items() if value is not None}
        return {**own, "type": kind, "name": as_text(tool.get("name")) or kind}
    found: dict[str, Any] = {"type": "function", "name": str(tool.get("name"))}
    if as_text(tool.get("description")):
        found["description"] = tool["description"]
    if schema is not None:
        found["parameters"] = plain(schema)
    return found


def _text(block: Mapping[str, Any]) -> Part:
    part = messages.text(str(block.get("text") or ""))
    citations = items(block.get("citations"))
    if citations:
        part["citations"] = plain(citations)
    return part


def _thinking(block: Mapping[str, Any]) -> Part:
    return messages.reasoning(str(block.get("thinking") or ""))


def _redacted(block: Mapping[str, Any]) -> Part:
    """Thinking that only Anthropic can read: that it was there is recorded, the cipher text is not."""
    return {**messages.reasoning(""), "redacted": True}


def _tool_use(block: Mapping[str, Any]) -> Part:
    return messages.tool_call(as_text(block.get("id")), str(block.get("name")), plain(block.get("input")))


def _tool_result(block: Mapping[str, Any]) -> Part:
    content = block.get("content")
    parts = items(content)
    is_text = parts and all(fields(part).get("type") == "text" for part in parts)
    response: Any = joined(parts) if is_text else plain(content)
    if parts and not is_text:
        response = [block_part(part) for part in parts]
    part = messages.tool_call_response(as_text(block.get("tool_use_id")), response)
    if block.get("is_error"):
        part["is_error"] = True
    return part


def _server_use(block: Mapping[str, Any]) -> Part:
    name = str(block.get("name"))
    details = {"type": str(block.get("type")), "input": plain(block.get("input"))}
    if as_text(block.get("server_name")):  # the MCP server that has the tool
        details["server_name"] = block["server_name"]
    return server_tool_call(as_text(block.get("id")), name, details)


def _server_result(kind: str, block: Mapping[str, Any]) -> Part:
    details = {"type": kind, "content": plain(block.get("content"))}
    if block.get("is_error"):
        details["is_error"] = True
    return server_tool_response(as_text(block.get("tool_use_id")), details)


def _media(modality: str) -> Any:
    """Returns the reader of an image or a document: base64, text, an address, an uploaded file, or blocks."""

    def read(block: Mapping[str, Any]) -> Part:
        source = fields(block.get("source"))
        mime_type, data = as_text(source.get("media_type")), source.get("data")
        address, file_id = as_text(source.get("url")), as_text(source.get("file_id"))
        if source.get("type") == "text" and isinstance(data, str):
            part = messages.text(data)
        elif data is not None:
            part = messages.blob(modality, plain(data), mime_type)
        elif address:
            part = messages.uri(modality, address, mime_type)
        elif file_id:
            part = messages.file(modality, file_id, mime_type)
        else:
            part = {"type": str(block.get("type")), "source": plain(source)}
        if as_text(block.get("title")) and part["type"] != "blob":
            part["title"] = block["title"]
        return part

    return read


_BLOCKS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "server_tool_use": _server_use,
    "mcp_tool_use": _server_use,
    "image": _media("image"),
    "document": _media("document"),
}
