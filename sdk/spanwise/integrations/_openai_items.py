"""Items of the Responses API, sent and received: messages, reasoning, function calls, built-in tools."""

from collections.abc import Mapping, Sequence
from typing import Any

from spanwise import messages
from spanwise.integrations._openai_parts import content_parts, passed_on, tool_output
from spanwise.integrations._stainless_fields import as_text, fields, items, joined, plain
from spanwise.messages import Message, Part

_CLIENT_TOOLS = frozenset({"computer_call", "local_shell_call", "shell_call", "apply_patch_call"})
"""Built-in tools that the application itself runs and answers."""
_RESULT_KEYS = ("results", "result", "outputs", "output", "tools", "error")
"""Where a built-in tool's item keeps what the tool found."""


def input_messages(sent: Any) -> list[Message]:
    """Returns the history of a request: text, or items, joined into messages."""
    if isinstance(sent, str):
        return [{"role": "user", "parts": [messages.text(sent)]}]
    history: list[Message] = []
    is_open = False  # whether the last message consists of items and may take another
    for each in items(sent):
        item = fields(each)
        role, parts = _sent_item(item)
        is_message = "role" in item
        if is_open and not is_message and history[-1]["role"] == role:
            history[-1]["parts"] += parts
        else:
            history.append({"role": role, "parts": parts})
        is_open = not is_message
    return history


def output_parts(received: Sequence[Any]) -> list[Part]:
    """Returns the parts of an answer's output items, in order."""
    return [part for each in received for part in item_parts(fields(each))]


def item_parts(item: Mapping[str, Any]) -> list[Part]:
    """Returns the parts of one item. A type that is not known passes through unchanged."""
    kind = str(item.get("type") or "message")
    read = _ITEMS.get(kind)
    if read:
        return read(item)
    if kind in _CLIENT_TOOLS:
        return [_client_call(kind, item)]
    if kind.endswith("_call") or kind == "mcp_list_tools":
        return _server_call(kind, item)
    return [passed_on(item)]


def _sent_item(item: Mapping[str, Any]) -> tuple[str, list[Part]]:
    kind = str(item.get("type") or "message")
    if "role" in item:
        return str(item["role"]), content_parts(item.get("content"))
    if kind == "tool_search_output" and item.get("execution") == "server":
        return "assistant", [_server_response(kind, item)]
    if kind.endswith("_output"):
        output = item.get("tools" if kind == "tool_search_output" else "output")
        return "tool", [messages.tool_call_response(as_text(item.get("call_id")), tool_output(output))]
    return "assistant", item_parts(item)


def _message(item: Mapping[str, Any]) -> list[Part]:
    return content_parts(item.get("content"))


def _reasoning(item: Mapping[str, Any]) -> list[Part]:
    """The thinking itself where it is shown, else its summaries; nothing when all of it is encrypted."""
    shown = items(item.get("content")) or items(item.get("summary"))
    return [messages.reasoning(content) for content in map(_shown_text, shown) if content]


def _shown_text(part: Any) -> str:
    return joined([part])


def _function_call(item: Mapping[str, Any]) -> list[Part]:
    call_id = as_text(item.get("call_id")) or as_text(item.get("id"))
    return [messages.tool_call(call_id, str(item.get("name")), plain(item.get("arguments")))]


def _custom_call(item: Mapping[str, Any]) -> list[Part]:
    call_id = as_text(item.get("call_id")) or as_text(item.get("id"))
    return [messages.tool_call(call_id, str(item.get("name")), plain(item.get("input")))]


def _client_call(kind: str, item: Mapping[str, Any]) -> Part:
    arguments = item.get("action") or item.get("operation")
    call_id = as_text(item.get("call_id")) or as_text(item.get("id"))
    return messages.tool_call(call_id, kind.removesuffix("_call"), plain(arguments))


def _server_call(kind: str, item: Mapping[str, Any]) -> list[Part]:
    """A tool that the provider ran: what it was asked, and what it found where the item holds that too."""
    if kind == "tool_search_call" and item.get("execution") == "client":
        call_id = as_text(item.get("call_id"))
        return [messages.tool_call(call_id, "tool_search", plain(item.get("arguments")))]
    asked = {key: value for key, value in item.items() if key not in ("id", "type", *_RESULT_KEYS)}
    call_id = as_text(item.get("id")) or as_text(item.get("call_id"))
    name = as_text(item.get("name")) or kind.removesuffix("_call")
    details = {"type": kind, **_present(asked)}
    parts = [server_tool_call(call_id, name, details)]
    if kind == "image_generation_call":
        image = as_text(item.get("result"))
        return [*parts, messages.blob("image", image)] if image else parts
    if any(item.get(key) for key in _RESULT_KEYS):
        parts.append(_server_response(kind, item))
    return parts


def _server_response(kind: str, item: Mapping[str, Any]) -> Part:
    found = {key: item[key] for key in _RESULT_KEYS if item.get(key)}
    call_id = as_text(item.get("id")) or as_text(item.get("call_id"))
    return server_tool_response(call_id, {"type": kind, **_present(found)})


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(value) for key, value in values.items() if value is not None}


def server_tool_call(call_id: str | None, name: str, details: dict[str, Any]) -> Part:
    """Returns a ``server_tool_call`` part, for a tool that the provider runs. ``details`` has a ``type``."""
    return {"type": "server_tool_call", "id": call_id, "name": name, "server_tool_call": details}


def server_tool_response(call_id: str | None, details: dict[str, Any]) -> Part:
    """Returns a ``server_tool_call_response`` part. ``details`` has a ``type``."""
    return {"type": "server_tool_call_response", "id": call_id, "server_tool_call_response": details}


_ITEMS = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
}
