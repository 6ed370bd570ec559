"""Reading what retrievers return and what models are told, in the shapes that frameworks commonly use."""

from collections.abc import Mapping
from typing import Any, cast

from spanwise.messages import Message, text

_TEXT_FIELDS = ("content", "page_content", "text", "document", "chunk", "body")
_ID_FIELDS = ("id", "id_", "doc_id", "document_id", "node_id", "_id")
_SCORE_FIELDS = ("score", "_score", "similarity", "relevance", "relevance_score")
_OTHER_FIELDS = ("title", "name", "uri", "url", "source", "metadata", "distance")


def documents_of(value: object) -> list[dict[str, Any]] | None:
    """Returns retrieved documents as ``{"id"?, "score"?, "content"?, …}``; ``None`` when these are none.

    Understands lists of texts, of mappings, of objects with such fields (LangChain's ``Document``,
    LlamaIndex's ``NodeWithScore``), and of pairs of one of these and a score.
    """
    if not isinstance(value, list | tuple):
        return None
    documents = [_document(item) for item in value]
    return [document for document in documents if document] if all(documents) else None


def outline_of(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns ids and scores alone: what may be kept of retrieved documents where no content is recorded."""
    return [{key: each[key] for key in ("id", "score") if key in each} for each in documents]


def _document(item: Any) -> dict[str, Any] | None:
    if isinstance(item, str):
        return {"content": item}
    if isinstance(item, tuple | list):
        return _scored(item)
    node = _field(item, "node")
    if node is not None and not isinstance(item, Mapping):  # LlamaIndex: a node beside its score
        inner = _document(node)
        return None if inner is None else inner | _first(item, "score", _SCORE_FIELDS)
    found = {
        **_first(item, "id", _ID_FIELDS),
        **_first(item, "score", _SCORE_FIELDS),
        **_first(item, "content", _TEXT_FIELDS),
    }
    if "content" not in found and "id" not in found:
        return None
    for name in _OTHER_FIELDS:
        found.update(_first(item, name, (name,)))
    return found


def _scored(pair: Any) -> dict[str, Any] | None:
    """Reads a document and its score, in either order."""
    if len(pair) != 2:
        return None
    for item, score in (pair, pair[::-1]):
        if isinstance(score, int | float) and not isinstance(score, bool):
            document = _document(item) if not isinstance(item, int | float) else None
            return None if document is None else document | {"score": float(score)}
    return None


def _first(item: Any, key: str, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        value = _field(item, name)
        if value is not None:
            return {key: value}
    return {}


def _field(item: Any, name: str) -> Any:
    if isinstance(item, Mapping):
        return item.get(name)
    value = getattr(item, name, None)
    return None if callable(value) else value


def messages_of(value: object, role: str) -> list[Message]:
    """Returns messages in OpenTelemetry's shape, from text, one message, or a list of either.

    Args:
        value: Texts, ``{"role", "content"}`` or ``{"role", "parts"}`` mappings; anything else is quoted.
        role: The role of what does not name its own.
    """
    return [_message(item, role) for item in (value if isinstance(value, list | tuple) else [value])]


def _message(item: object, role: str) -> Message:
    if isinstance(item, Mapping):
        if "parts" in item:
            return cast("Message", {"role": role, **item})
        if "content" in item:
            content = item["content"]
            parts = [text(content)] if isinstance(content, str) else [{"type": "content", "content": content}]
            return {"role": str(item.get("role", role)), "parts": parts}
    if isinstance(item, str):
        return {"role": role, "parts": [text(item)]}
    return {"role": role, "parts": [{"type": "content", "content": item}]}
