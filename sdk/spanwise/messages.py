"""The OpenTelemetry GenAI message shapes, as typed dictionaries and small builders.

A message is ``{"role", "parts", "name"?, "finish_reason"?}``; a part is a dictionary tagged by ``type``.
Unknown part types are legal and pass through unchanged. Builders copy nothing: strings are immutable, and
readers build fresh lists, so what the application changes later is not what was recorded.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, input/output messages JSON schemas.
"""

import json
from typing import Any, TypedDict

Part = dict[str, Any]
"""One part of a message, tagged by ``type``."""


class Message(TypedDict, total=False):
    """One chat message; ``role`` and ``parts`` are required, the rest is optional."""

    role: str
    parts: list[Part]
    name: str
    finish_reason: str


def text(content: str) -> Part:
    """Returns a ``text`` part."""
    return {"type": "text", "content": content}


def reasoning(content: str) -> Part:
    """Returns a ``reasoning`` part: the model's own thinking, where the provider shows it."""
    return {"type": "reasoning", "content": content}


def tool_call(call_id: str | None, name: str, arguments: object) -> Part:
    """Returns a ``tool_call`` part; ``arguments`` may be a JSON string, which is parsed when it can be."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": parsed(arguments)}


def tool_call_response(call_id: str | None, response: object) -> Part:
    """Returns a ``tool_call_response`` part."""
    return {"type": "tool_call_response", "id": call_id, "response": response}


def blob(modality: str, content: str, mime_type: str | None = None) -> Part:
    """Returns a ``blob`` part; ``content`` is base64."""
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": content}


def uri(modality: str, address: str, mime_type: str | None = None) -> Part:
    """Returns a ``uri`` part (a data: URL becomes a ``blob``)."""
    if address.startswith("data:"):
        head, _, data = address.partition(",")
        return blob(modality, data, head[5:].partition(";")[0] or mime_type)
    return {"type": "uri", "modality": modality, "mime_type": mime_type, "uri": address}


def file(modality: str, file_id: str, mime_type: str | None = None) -> Part:
    """Returns a ``file`` part: content that the provider keeps under an id."""
    return {"type": "file", "modality": modality, "mime_type": mime_type, "file_id": file_id}


def parsed(value: object) -> object:
    """Returns a JSON string's value when it is an object or a list, anything else unchanged."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
