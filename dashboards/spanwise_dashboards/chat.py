"""Messages as a transcript: OTel GenAI messages in, turns with blocks out, tool calls paired with results."""

from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from spanwise_dashboards import format as fmt
from spanwise_dashboards import jsonview
from spanwise_dashboards.text import Passage, passage, plain

ROLE_NAMES = {
    "system": "System",
    "developer": "Developer",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool",
}
ROLE_ICONS = {
    "system": "settings",
    "developer": "settings",
    "user": "user",
    "assistant": "k-llm",
    "tool": "k-tool",
}
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass
class Block:
    """One part of a message. ``kind``: text, reasoning, call, result, media or other."""

    kind: str
    passage: Passage | None = None
    name: str = ""
    call_id: str = ""
    arguments: Markup = field(default_factory=Markup)
    result: Passage | None = None
    result_json: Markup | None = None
    result_note: str = ""
    """Where the result came from, e.g. the duration of the span that ran the tool."""
    result_href: str = ""
    is_error: bool = False
    media: str = ""
    path: str = ""


@dataclass
class Turn:
    """One message of the transcript. ``index`` is its place among the span's messages."""

    role: str
    name: str
    icon: str
    note: str
    blocks: list[Block]

    @property
    def text(self) -> str:
        """The message's plain text, as far as the page holds it."""
        return "\n".join(b.passage.content for b in self.blocks if b.kind == "text" and b.passage)


def transcript(document: str, origin: str) -> list[Turn]:
    """Returns the turns of a JSON array of messages.

    ``origin`` is the span field that holds them (``input_messages``), for the addresses of long texts. A
    document that is not a list of messages becomes one turn that shows it as it is.
    """
    messages = jsonview.loads(document)
    if messages is None:
        return []
    if not isinstance(messages, list):
        return [_raw_turn(document, origin)]
    turns = [_turn(message, f"{origin}/{index}") for index, message in enumerate(messages)]
    return _pair(turns)


def _raw_turn(document: str, origin: str) -> Turn:
    block = Block("other", passage=passage(document, origin))
    return Turn("other", "Messages", "info", "not in the shape of messages", [block])


def _turn(message: Any, path: str) -> Turn:
    if not isinstance(message, dict):
        return Turn("other", "Message", "info", "", [_as_json(message, path)])
    role = str(message.get("role") or "other")
    parts = message.get("parts")
    blocks: list[Block] = []
    if isinstance(parts, list):
        blocks = [_block(part, f"{path}/parts/{index}") for index, part in enumerate(parts)]
    elif message.get("content") is not None:
        blocks = [_content_block(message["content"], f"{path}/content")]
    name = ROLE_NAMES.get(role, plain(role, 40))
    if message.get("name") and role != "assistant":
        name = f"{name} {plain(str(message['name']), 60)}"
    return Turn(role, name, ROLE_ICONS.get(role, "info"), _note(message, blocks), blocks)


def _note(message: dict[str, Any], blocks: list[Block]) -> str:
    calls = sum(block.kind == "call" for block in blocks)
    notes = [fmt.plural(calls, "tool call")] if calls else []
    reason = message.get("finish_reason")
    if reason and reason != "tool_call":
        notes.append("cut off at the length limit" if reason == "length" else plain(str(reason), 40))
    return ", ".join(notes)


def _content_block(content: Any, path: str) -> Block:
    return (
        Block("text", passage=passage(content, path)) if isinstance(content, str) else _as_json(content, path)
    )


def _as_json(value: Any, path: str) -> Block:
    return Block("other", arguments=jsonview.markup(value), path=path)


def _block(part: Any, path: str) -> Block:
    if not isinstance(part, dict):
        return _content_block(part, path)
    kind = part.get("type")
    if kind in ("text", "reasoning") and isinstance(part.get("content"), str):
        return Block(str(kind), passage=passage(part["content"], f"{path}/content"))
    if kind == "tool_call":
        arguments = part.get("arguments")
        parsed = jsonview.loads(arguments) if isinstance(arguments, str) else arguments
        return Block(
            "call",
            name=plain(str(part.get("name") or "unnamed tool"), 120),
            call_id=str(part.get("id") or ""),
            arguments=jsonview.markup({} if parsed is None else parsed),
        )
    if kind == "tool_call_response":
        return _response_block(part, path)
    if kind in ("blob", "uri", "file"):
        return _media_block(part, str(kind), path)
    return _as_json(part, path)


def _response_block(part: dict[str, Any], path: str) -> Block:
    key = "response" if "response" in part else "result"
    block = Block("result", call_id=str(part.get("id") or ""))
    set_result(block, part.get(key), f"{path}/{key}")
    return block


def set_result(block: Block, response: Any, path: str) -> None:
    """Puts a tool's answer into a block: JSON as JSON, text as text."""
    parsed = jsonview.loads(response) if isinstance(response, str) else response
    if isinstance(parsed, str):
        block.result = passage(parsed, path)
    else:
        block.result_json = jsonview.markup(parsed)


def _media_block(part: dict[str, Any], kind: str, path: str) -> Block:
    mime_type = plain(str(part.get("mime_type") or part.get("modality") or "media"), 60)
    if kind == "blob":
        content = str(part.get("content") or "")
        note = f"{mime_type}, {fmt.short_count(len(content) * 3 // 4)} bytes"
        can_show = part.get("mime_type") in IMAGE_TYPES
        return Block("media", name=note, media="image" if can_show else "", path=f"{path}/content")
    address = str(part.get("uri") or part.get("file_id") or "")
    return Block("media", name=f"{mime_type}, by reference", passage=passage(address, f"{path}/{kind}"))


def _pair(turns: list[Turn]) -> list[Turn]:
    """Moves each result to its call; a tool message whose results all found their call disappears."""
    calls: dict[str, Block] = {}
    kept: list[Turn] = []
    for turn in turns:
        for block in turn.blocks:
            if block.kind == "call" and block.call_id:
                calls[block.call_id] = block
        remaining = [block for block in turn.blocks if not _join(block, calls)]
        if remaining or not turn.blocks:
            turn.blocks = remaining
            kept.append(turn)
    return kept


def _join(block: Block, calls: dict[str, Block]) -> bool:
    call = calls.get(block.call_id) if block.kind == "result" else None
    if call is None or call.result is not None or call.result_json is not None:
        return False
    call.result, call.result_json = block.result, block.result_json
    return True


def last_text(document: str, role: str) -> str:
    """Returns the text of a role's last message in a JSON array of messages; ``""`` when there is none."""
    messages = jsonview.loads(document)
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == role:
            parts = message.get("parts")
            texts = [
                part["content"]
                for part in (parts if isinstance(parts, list) else [])
                if isinstance(part, dict)
                and part.get("type") == "text"
                and isinstance(part.get("content"), str)
            ]
            if texts:
                return "\n".join(texts)
    return ""
