"""The ``ollama`` client: chat, generate and embeddings, sync and async, streamed or not.

Not traced: pulling, pushing, listing and creating models, web search.
"""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _ollama_chat, _ollama_embeddings
from spanwise.integrations._declaration import Call, Integration, Recording, Target
from spanwise.integrations._exchange import Sent, reader
from spanwise.integrations._stainless_fields import fields


def sent_of(call: Call) -> Sent:
    """Finds the request in ``_request(answer_type, method, path, json=..., stream=...)``."""
    kwargs = call.kwargs

    def body() -> Mapping[str, Any]:
        return fields(kwargs.get("json"))

    _, method, path, *_ = (*call.args, *(kwargs[name] for name in ("method", "url") if name in kwargs))
    return Sent(str(method), str(path), call.instance._client.base_url, body, bool(kwargs.get("stream")))


def observe(result: Any, recording: Recording) -> Any:
    """Reads an answer; a stream, which is a plain generator, is replaced by another that folds it."""
    if hasattr(result, "gi_frame"):
        return recording.iterate(result)
    if hasattr(result, "ag_frame"):
        return recording.aiterate(result)
    recording.respond(result)
    return result


_READER = reader((*_ollama_chat.ENDPOINTS, *_ollama_embeddings.ENDPOINTS), sent_of, semconv.PROVIDER_OLLAMA)
_WHY = "sends every request whose answer is parsed, for the module's functions too"

INTEGRATION = Integration(
    name="ollama",
    module="ollama",
    distribution="ollama",
    versions=">=0.4,<0.7",
    targets=(
        Target("ollama._client:Client._request", _READER, why=_WHY),
        Target("ollama._client:AsyncClient._request", _READER, is_async=True, why=_WHY),
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS),
    captures="messages, thinking, images, tools, options, token counts, the server's durations",
)
