"""Parts of messages in the chat completions format, sent and received, with what compatible servers add."""

from collections.abc import Mapping
from typing import Any

from spanwise import messages
from spanwise.integrations._stainless_fields import as_text, fields, items, joined, plain
from spanwise.messages import Message, Part

_TOOL_ROLES = ("tool", "function")
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/opus"}


def message_of(sent: Any) -> Message:
    """Returns a message of a request's history."""
    body = fields(sent)
    if len(body) == 2:  # no more than a role and its text
        role, content = body.get("role"), body.get("content")
        if content.__class__ is str and content and role.__class__ is str and role not in _TOOL_ROLES:
            return {"role": role, "parts": [{"type": "text", "content": content}]}
    role = str(body.get("role") or "user")
    call_id = body.get("tool_call_id")
    if role in _TOOL_ROLES:
        response = tool_output(body.get("content"))
        parts = [messages.tool_call_response(as_text(call_id) or as_text(body.get("name")), response)]
    else:
        parts = parts_of(body)
    message: Message = {"role": role, "parts": parts}
    if as_text(body.get("name")):
        message["name"] = body["name"]
    return message


def parts_of(body: Mapping[str, Any]) -> list[Part]:
    """Returns the parts of one message body: reasoning first, then content, refusal, audio and tool calls."""
    content = body.get("content")
    if content.__class__ is str and content and not any(map(body.get, _BESIDE_TEXT)):
        return [{"type": "text", "content": content}]
    parts: list[Part] = []
    thought = reasoning_of(body)
    if thought:
        parts.append(messages.reasoning(thought))
    parts += annotated(content_parts(body.get("content")), body.get("annotations"))
    if as_text(body.get("refusal")):
        parts.append(refusal(body["refusal"]))
    parts += audio_parts(fields(body.get("audio")))
    parts += [call_part(call) for call in items(body.get("tool_calls"))]
    legacy = fields(body.get("function_call"))
    if legacy:
        parts.append(messages.tool_call(None, str(legacy.get("name")), plain(legacy.get("arguments"))))
    return parts


_BESIDE_TEXT = (
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "annotations",
    "refusal",
    "audio",
    "tool_calls",
    "function_call",
)
"""What a message body may have beside its text."""


def content_parts(content: Any) -> list[Part]:
    """Returns the parts of a ``content`` field: text, a list of parts, or null."""
    if isinstance(content, str):
        return [messages.text(content)] if content else []
    return [content_part(part) for part in items(content) if part is not None]


def passed_on(sent: Any) -> Part:
    """Returns a part of a type that is not known here, unchanged as far as it is a part at all."""
    part = plain(sent)
    return part if isinstance(part, dict) and "type" in part else {"type": "unknown", "content": part}


def annotated(parts: list[Part], annotations: Any) -> list[Part]:
    """Returns parts whose last text carries the citations that the answer has beside its content."""
    texts = [part for part in parts if part["type"] == "text"]
    if texts and items(annotations):
        texts[-1]["annotations"] = plain(annotations)
    return parts


def content_part(sent: Any) -> Part:
    """Returns one part of a content list. A type that is not known passes through unchanged."""
    if isinstance(sent, str):
        return messages.text(sent)
    part = fields(sent)
    read = _CONTENT.get(str(part.get("type")))
    return (read(part) if read else None) or passed_on(sent)


def tool_output(content: Any) -> Any:
    """Returns what a tool answered: its text, or a list of parts where it is more than text."""
    parts = items(content)
    if parts and all(fields(part).get("type") in ("text", "input_text", "output_text") for part in parts):
        return joined(parts)
    return [content_part(part) for part in parts] if parts else plain(content)


def refusal(content: str) -> Part:
    """Returns a part of type ``refusal``: the model's words for why it does not answer."""
    return {"type": "refusal", "content": content}


def call_part(sent: Any) -> Part:
    """Returns a ``tool_call`` part for a function call or a custom tool's call."""
    call = fields(sent)
    function = fields(call.get("function"))
    if function:
        return messages.tool_call(
            as_text(call.get("id")), str(function.get("name")), plain(function.get("arguments"))
        )
    custom = fields(call.get("custom"))
    return messages.tool_call(as_text(call.get("id")), str(custom.get("name")), plain(custom.get("input")))


def reasoning_of(body: Mapping[str, Any]) -> str:
    """Returns the model's thinking, where DeepSeek, OpenRouter, Groq or vLLM show it."""
    for key in ("reasoning_content", "reasoning"):
        thought = as_text(body.get(key))
        if thought:
            return thought
    details = [fields(detail) for detail in items(body.get("reasoning_details"))]
    return "".join(as_text(each.get("text")) or as_text(each.get("summary")) or "" for each in details)


def audio_parts(audio: Mapping[str, Any]) -> list[Part]:
    """Returns the parts of spoken output: the sound and its transcript, or its id where it was sent back."""
    data, transcript = as_text(audio.get("data")), as_text(audio.get("transcript"))
    parts = [messages.blob("audio", data)] if data else []
    if transcript:
        parts.append(messages.text(transcript))
    if not parts and as_text(audio.get("id")):
        parts.append(messages.file("audio", audio["id"]))
    return parts


def tool_definition(sent: Any) -> dict[str, Any]:
    """Returns a tool in OpenTelemetry's flat shape; tools that are not functions keep their own fields."""
    tool = fields(sent)
    kind = str(tool.get("type") or "function")
    body = fields(tool.get(kind)) or tool
    if kind == "function":
        found = {"type": kind, "name": str(body.get("name"))}
        found |= {key: plain(body[key]) for key in ("description", "parameters") if body.get(key)}
        return found
    own = {key: plain(value) for key, value in body.items() if key not in ("type", "name")}
    return {"type": kind, "name": str(body.get("name") or kind), **own}


def _image(part: Mapping[str, Any]) -> Part | None:
    image = part.get("image_url")
    address = as_text(image) or as_text(fields(image).get("url"))
    if address:
        return messages.uri("image", address)
    file_id = as_text(part.get("file_id"))
    return messages.file("image", file_id) if file_id else None


def _linked(modality: str, key: str) -> Any:
    def read(part: Mapping[str, Any]) -> Part | None:
        link = part.get(key)
        address = as_text(link) or as_text(fields(link).get("url"))
        return messages.uri(modality, address) if address else None

    return read


def _audio(part: Mapping[str, Any]) -> Part | None:
    audio = fields(part.get("input_audio"))
    data, kind = as_text(audio.get("data")), as_text(audio.get("format"))
    return messages.blob("audio", data, _AUDIO_TYPES.get(kind or "", kind)) if data else None


def _file(part: Mapping[str, Any]) -> Part | None:
    """A file: by id, by address, or as data. Chat completions nest it, the Responses API does not."""
    body = fields(part.get("file")) or part
    file_id, data = as_text(body.get("file_id")), as_text(body.get("file_data"))
    address = as_text(body.get("file_url"))
    if file_id:
        found = messages.file("document", file_id)
    elif address:
        found = messages.uri("document", address)
    elif data:
        is_address = data.startswith(("data:", "http:", "https:"))
        found = messages.uri("document", data) if is_address else messages.blob("document", data)
    else:
        return None
    if as_text(body.get("filename")) and found["type"] != "blob":
        found["filename"] = body["filename"]
    return found


def _text(part: Mapping[str, Any]) -> Part | None:
    content = part.get("text")
    return (
        annotated([messages.text(content)], part.get("annotations"))[0] if isinstance(content, str) else None
    )


_CONTENT = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "summary_text": _text,
    "refusal": lambda part: refusal(str(part.get("refusal"))),
    "image_url": _image,
    "input_image": _image,
    "input_audio": _audio,
    "file": _file,
    "input_file": _file,
    "video_url": _linked("video", "video_url"),
    "document_url": _linked("document", "document_url"),
    "thinking": lambda part: messages.reasoning(joined(part.get("thinking"))),
    "reasoning": lambda part: messages.reasoning(joined(part.get("text"))),
    "reasoning_text": lambda part: messages.reasoning(joined(part.get("text"))),
}
