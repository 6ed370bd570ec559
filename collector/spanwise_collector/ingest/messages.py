"""Any sender's chat messages to OpenTelemetry's shape, as JSON text.

Accepted: OpenTelemetry's own messages (text passes through unchanged), OpenAI's and Anthropic's request
shapes, lists of strings, and plain text. Parts of unknown type survive unchanged.
"""

from typing import Any

from spanwise import messages as shapes
from spanwise_collector.ingest.json_text import dumps, loads, parse
from spanwise_collector.ingest.rules import HIDDEN, Unreadable
from spanwise_collector.model import AnyValue

# Message content is whatever a provider's API allows: hence Any below.
Message = dict[str, Any]
_HIDDEN_PART = {"type": "hidden"}
_MODALITIES = {"image_url": "image", "input_image": "image", "input_audio": "audio", "image": "image"}


def otel_messages(value: AnyValue) -> str | None:
    """Reads OpenTelemetry's messages; other shapes of a list are converted.

    Raises:
        Unreadable: The text is not JSON, for example because it was cut.
    """
    if type(value) is str:
        if not value:
            return None
        try:
            parsed, is_strict = parse(value)
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
        # Kept as sent, unless the forgiving reader had to repair it or the old key has to be renamed.
        if is_strict and _is_canonical(parsed) and HIDDEN not in value and '"result"' not in value:
            return value.strip()
        value = parsed
    if value is None or value == []:
        return None
    if isinstance(value, dict):
        value = value.get("messages", [value])
    if not isinstance(value, list):
        raise Unreadable(f"messages must be a list, not {type(value).__name__}")
    return dumps([message(item, "user") for item in value])


def output_messages(value: AnyValue) -> str | None:
    """Like ``otel_messages``; text without structure is what the assistant said."""
    return _from_text(value, "assistant")


def input_messages(value: AnyValue) -> str | None:
    """Like ``otel_messages``; text without structure is what the user said."""
    return _from_text(value, "user")


def system_parts(value: AnyValue) -> str | None:
    """Reads ``gen_ai.system_instructions``: a list of parts, or one text."""
    if type(value) is str:
        if value[:1] not in "[{":
            return dumps([text_part(value)]) if value else None
        try:
            value = loads(value)
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
    found = parts(value)
    return dumps(found) if found else None


def with_system(system: str, messages: str) -> str:
    """Returns JSON messages with a system message of the given JSON parts in front."""
    head = '[{"role":"system","parts":' + system + "}"
    return head + ("," + messages[1:] if messages and messages != "[]" else "]")


def any_json(value: AnyValue) -> str | None:
    """Reads JSON of any kind; text that is not JSON stays text."""
    if type(value) is str:
        return value or None
    return None if value is None else dumps(value)


def json_list(value: AnyValue) -> str | None:
    """Reads a list, given as JSON text or structured.

    Raises:
        Unreadable: It is neither.
    """
    if type(value) is str:
        if not value:
            return None
        try:
            parsed, is_strict = parse(value)
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
        if is_strict and isinstance(parsed, list):
            return value
        value = parsed
    if value is None or value == []:
        return None
    return dumps(value if isinstance(value, list) else [value])


def message(item: AnyValue, role: str) -> Message:
    """Returns one message in OpenTelemetry's shape; ``role`` is for items that name none."""
    if not isinstance(item, dict):
        return {"role": role, "parts": parts(item)}
    if isinstance(item.get("parts"), list):
        return {**item, "role": str(item.get("role") or role), "parts": [_part(p) for p in item["parts"]]}
    named = str(item.get("role") or role)
    found: Message = {"role": named, "parts": []}
    content = item.get("content")
    if item.get("tool_call_id") is not None:
        found["parts"].append(shapes.tool_call_response(item["tool_call_id"], shapes.parsed(content)))
    else:
        found["parts"] += parts(content)
    found["parts"] += [_openai_call(call) for call in item.get("tool_calls") or () if isinstance(call, dict)]
    for key in ("name", "finish_reason"):
        if isinstance(item.get(key), str):
            found[key] = item[key]
    if not found["parts"] and content is None and (rest := _others(item)):
        found["parts"].append({"type": "unknown", **rest})
    return found


def parts(content: AnyValue) -> list[Message]:
    """Returns content as parts: text, a list of parts or strings, or one part."""
    if content is None or content == "":
        return []
    if isinstance(content, list):
        return [_part(item) for item in content]
    return [_part(content)]


def text_part(content: str) -> Message:
    """Returns a text part, or the mark of content that the sender keeps back."""
    return dict(_HIDDEN_PART) if content == HIDDEN else shapes.text(content)


def _part(item: AnyValue) -> Message:
    if not isinstance(item, dict):
        return text_part(item if isinstance(item, str) else dumps(item))
    kind = item.get("type")
    if kind in ("text", "input_text", "output_text"):
        content = item.get("content", item.get("text"))
        keeps_shape = kind == "text" and "content" in item and content != HIDDEN
        return item if keeps_shape else text_part(content if isinstance(content, str) else dumps(content))
    if kind == "tool_call_response" and "response" not in item and "result" in item:
        return {("response" if key == "result" else key): value for key, value in item.items()}
    if kind == "tool_use":
        return shapes.tool_call(item.get("id"), str(item.get("name", "")), item.get("input"))
    if kind == "tool_result":
        return shapes.tool_call_response(item.get("tool_use_id"), item.get("content"))
    if kind == "thinking":
        return shapes.reasoning(str(item.get("thinking", "")))
    if kind in _MODALITIES and (address := _address(item, str(kind))):
        return shapes.uri(_MODALITIES[str(kind)], address)
    return item if isinstance(kind, str) else {"type": "unknown", **item}


def _address(item: Message, kind: str) -> str | None:
    found = item.get(kind, item.get("image_url"))
    if isinstance(found, dict):
        found = found.get("url")
    return found if isinstance(found, str) else None


def _openai_call(call: Message) -> Message:
    function = call.get("function")
    source = function if isinstance(function, dict) else call
    return shapes.tool_call(call.get("id"), str(source.get("name", "")), source.get("arguments"))


def _others(item: Message) -> Message:
    return {key: value for key, value in item.items() if key not in ("role", "type") and value is not None}


def _from_text(value: AnyValue, role: str) -> str | None:
    if type(value) is str:
        if value[:1] in ("[", "{"):
            try:
                value = loads(value)
            except ValueError:
                return dumps([message(value, role)])
        elif value:
            return dumps([message(value, role)])
        else:
            return None
    if value is None or value == []:
        return None
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    items = value if isinstance(value, list) and _are_messages(value) else [value]
    return dumps([message(item, role) for item in items])


def _are_messages(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and ("role" in item or "parts" in item) for item in items)


def _is_canonical(parsed: Any) -> bool:
    if type(parsed) is not list:
        return False
    for item in parsed:  # a loop: all() over a generator costs several times as much for one or two messages
        if not (type(item) is dict and type(item.get("role")) is str and type(item.get("parts")) is list):
            return False
    return True
