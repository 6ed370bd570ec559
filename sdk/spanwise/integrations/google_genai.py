"""The ``google-genai`` client, for the Gemini API (AI Studio) and for Vertex AI.

Traced: ``generate_content``, its streams, chats, and ``embed_content``, sync and async. Automatic function
calling asks the model several times: each is a call of its own. Not traced: counting tokens, caches, files,
batches, images, videos, and the live API.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import isasyncgen, isgenerator
from typing import Any
from urllib.parse import urlsplit

from spanwise import guard, semconv
from spanwise.integrations import _google_content as content
from spanwise.integrations import _google_embeddings as embeddings
from spanwise.integrations._declaration import Call, Integration, Reader, Recording, Target
from spanwise.integrations._google_parts import get
from spanwise.integrations._stainless import Fold
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, loaded
from spanwise.operation import Request, Response

_PORTS = {"http": 80, "https": 443}
_PATH = re.compile(r"(?:.*/)?(?P<model>[^/?]+):(?P<method>[A-Za-z]+)(?:\?.*)?")


@dataclass(frozen=True, slots=True)
class _Format:
    """How to read one method of the API. The flag is ``wants_content``."""

    read_request: Callable[[Mapping[str, Any], bool], Request]
    read_response: Callable[[Any, bool], Response]
    new_fold: Callable[[bool], Fold]


_CONTENT = _Format(content.read_request, content.read_response, content.ContentFold)
_EMBEDDINGS = _Format(embeddings.read_request, embeddings.read_response, embeddings.EmbeddingsFold)
_FORMATS = {
    "generateContent": _CONTENT,
    "streamGenerateContent": _CONTENT,
    "embedContent": _EMBEDDINGS,
    "batchEmbedContents": _EMBEDDINGS,
    "predict": _EMBEDDINGS,
}


@dataclass(slots=True)
class _Plan:
    """What is known of one call."""

    format: _Format
    method: str
    model: str


@dataclass(slots=True)
class _State:
    """The chunks of a stream, in the order the application got them; parsed when the stream has ended."""

    plan: _Plan
    wants_content: bool
    chunks: list[Any] = field(default_factory=list)


def _argument(call: Call, place: int, name: str) -> Any:
    return call.args[place] if len(call.args) > place else call.kwargs.get(name)


def _body(call: Call) -> Mapping[str, Any]:
    """Returns the body as it will be sent, with what the application adds by ``extra_body``."""
    extra = fields(get(fields(_argument(call, 3, "http_options")), "extraBody"))
    return _updated(fields(_argument(call, 2, "request_dict")), extra)


def _updated(body: Mapping[str, Any], extra: Mapping[str, Any]) -> Mapping[str, Any]:
    if not extra:
        return body
    inner = {
        key: _updated(fields(body.get(key)), value) if isinstance(value, dict) else value
        for key, value in extra.items()
    }
    return {**body, **inner}


def _accepts(call: Call) -> bool:
    found = _PATH.fullmatch(str(_argument(call, 1, "path")))
    format_ = _FORMATS.get(found["method"]) if found else None
    if found is None or format_ is None:
        return False
    if found["method"] == "predict" and not embeddings.is_embedding(_body(call)):
        return False
    call.memo = _Plan(format_, found["method"], found["model"])
    return True


def _read_request(call: Call) -> Request:
    plan: _Plan = call.memo
    client = call.instance
    request = plan.format.read_request(_body(call), call.wants_content)
    request.model, request.is_stream = plan.model, plan.method.startswith("stream")
    if client.vertexai:
        request.provider = semconv.PROVIDER_VERTEX_AI
        request.attributes |= given([(semconv.CLOUD_REGION, as_text(getattr(client, "location", None)))])
    own, usual = fields(_argument(call, 3, "http_options")), fields(getattr(client, "_http_options", None))
    address = as_text(get(own, "baseUrl")) or as_text(get(usual, "baseUrl"))
    request.server_address, request.server_port = _server(address or "")
    return request


@lru_cache(maxsize=64)
def _server(base_url: str) -> tuple[str | None, int | None]:
    address = urlsplit(base_url)
    return address.hostname, address.port or _PORTS.get(address.scheme)


def _document(answer: Any) -> Any:
    """Returns the JSON of an answer or a chunk: text in an object, or in older versions a dictionary."""
    body = fields(answer).get("body") if not isinstance(answer, dict) else None
    if isinstance(body, (str, bytes)):
        return loaded(body.encode() if isinstance(body, str) else body)
    return answer


def _read_response(answer: Any, call: Call) -> Response:
    plan: _Plan = call.memo
    return plan.format.read_response(_document(answer), call.wants_content)


def _new_state(call: Call) -> _State:
    return _State(call.memo, call.wants_content)


def _fold(state: _State, chunk: Any) -> None:
    state.chunks.append(chunk)


def _finish(state: _State) -> Response:
    fold = state.plan.format.new_fold(state.wants_content)
    try:
        for chunk in state.chunks:
            fold.add(_document(chunk))
    except Exception as error:  # noqa: BLE001  what was folded before is worth keeping
        guard.fault("reading a stream of google_genai", error)
    return fold.response()


def _read_error(error: BaseException, call: Call) -> Response | None:
    status = as_count(getattr(error, "code", None))
    return (
        None if status is None else Response(attributes=given([(semconv.HTTP_RESPONSE_STATUS_CODE, status)]))
    )


def _observe(result: Any, recording: Recording) -> Any:
    """A stream is a generator of the client's own, and stays one."""
    if isgenerator(result):
        return recording.iterate(result)
    if isasyncgen(result):
        return recording.aiterate(result)
    recording.respond(result)
    return result


_READER = Reader(
    read_request=_read_request,
    read_response=_read_response,
    new_state=_new_state,
    fold=_fold,
    finish=_finish,
    accepts=_accepts,
    read_error=_read_error,
)
_CLIENT = "google.genai._api_client:BaseApiClient"
_WHY = "sends every request of the client as the wire's JSON, whichever resource or chat made it"

INTEGRATION = Integration(
    name="google_genai",
    module="google.genai",
    distribution="google-genai",
    versions=">=1.25,<4",
    targets=(
        Target(f"{_CLIENT}.request", _READER, why=_WHY),
        Target(f"{_CLIENT}.request_streamed", _READER, why=_WHY),
        Target(f"{_CLIENT}.async_request", _READER, is_async=True, why=_WHY),
        Target(f"{_CLIENT}.async_request_streamed", _READER, is_async=True, why=_WHY),
    ),
    observe=_observe,
    operations=(semconv.OP_GENERATE_CONTENT, semconv.OP_EMBEDDINGS),
    captures="contents, tools, code execution, thoughts, cached and thinking tokens, safety blocks",
)
