"""A line of what a span was given and gave back, for lists: text out of messages, never markup."""

import json
import re
from dataclasses import dataclass
from typing import Any

PREVIEW_CHARS = 200
# The text of a message whose JSON was cut, by the sender or by us.
_CUT_TEXT = re.compile(r'"(?:content|text)"\s*:\s*"((?:[^"\\]|\\.)*)')


@dataclass(frozen=True, slots=True)
class Preview:
    """At most 200 characters each; ``""`` is none."""

    given: str
    returned: str


def preview_of(input_messages: str, output_messages: str, input_text: str, output_text: str) -> Preview:
    """Preview one span; messages are JSON arrays of OTel GenAI messages, possibly cut."""
    return Preview(
        _line(_last_text(input_messages, role="user") or input_text),
        _line(_last_text(output_messages, role="assistant") or output_text),
    )


def _last_text(messages_json: str, role: str) -> str:
    """Return the text of the last message of a role, or of the last one that has text."""
    if not messages_json:
        return ""
    try:
        messages = json.loads(messages_json)
    except ValueError:
        cut = _CUT_TEXT.findall(messages_json)
        return _unescaped(cut[-1]) if cut else ""
    if not isinstance(messages, list):
        return ""
    known = [message for message in messages if isinstance(message, dict)]
    preferred = [message for message in known if message.get("role") == role]
    for message in [*reversed(preferred), *reversed(known)]:
        text = _text_of(message)
        if text:
            return text
    return ""


def _text_of(message: dict[str, Any]) -> str:
    parts = message.get("parts")
    if not isinstance(parts, list):
        content = message.get("content")
        return content if isinstance(content, str) else ""
    texts = [part["content"] for part in parts if isinstance(part, dict) and _is_text(part)]
    if texts:
        return " ".join(texts)
    calls = [
        str(part.get("name", ""))
        for part in parts
        if isinstance(part, dict) and part.get("type") == "tool_call"
    ]
    return ", ".join(f"{name}()" for name in calls if name)


def _is_text(part: dict[str, Any]) -> bool:
    return part.get("type") == "text" and isinstance(part.get("content"), str)


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _line(text: str) -> str:
    """Put text on one line and cut it."""
    line = " ".join(text[: PREVIEW_CHARS * 8].split())
    return line if len(line) <= PREVIEW_CHARS else line[: PREVIEW_CHARS - 1] + "…"
