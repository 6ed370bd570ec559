"""The ``cohere`` client: chat (v2 and v1), generate, embed and rerank, sync and async, streamed or not.

Not traced: tokenizing, classifying, datasets, connectors, fine-tuning.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from spanwise import semconv
from spanwise.integrations import _cohere_chat, _cohere_embeddings, _cohere_v1, _rerank
from spanwise.integrations._declaration import Call, Integration, Target
from spanwise.integrations._exchange import Sent, observe_response, reader
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import fields
from spanwise.suppression import attach, detach

_FIRST_FAILURE = 400


def sent_of(call: Call) -> Sent:
    """Finds the request in the arguments of ``request`` and ``stream``: ``path, method=..., json=...``."""
    kwargs = call.kwargs
    path = call.args[0] if call.args else kwargs.get("path")
    base_url = kwargs.get("base_url") or call.instance.base_url
    address = base_url() if callable(base_url) else base_url

    def body() -> Mapping[str, Any]:
        sent = fields(kwargs.get("json"))
        further = fields(fields(kwargs.get("request_options")).get("additional_body_parameters"))
        return {**sent, **further}  # what was not given is ``...``, which no reader takes for a value

    is_stream = bool(fields(kwargs.get("json")).get("stream"))
    return Sent(str(kwargs.get("method")), str(path), address, body, is_stream)


def observe(result: Any, recording: Any) -> Any:
    """Reads a response, or wraps a stream: a context manager that has sent nothing yet, in one like it."""
    if hasattr(result, "__enter__") and hasattr(result, "gen"):
        return _opened(result, recording)
    if hasattr(result, "__aenter__") and hasattr(result, "gen"):
        return _aopened(result, recording)
    return observe_response(result, recording)


@contextmanager
def _opened(manager: Any, recording: Any) -> Iterator[Any]:
    try:
        with ExitStack() as stack:
            token = attach(recording.context)
            try:
                response = stack.enter_context(manager)
            finally:
                detach(token)
            _follow(response, recording)
            yield response
    except GeneratorExit:
        recording.close()
        raise
    except BaseException as error:
        recording.fail(error)
        raise
    recording.close()


@asynccontextmanager
async def _aopened(manager: Any, recording: Any) -> AsyncIterator[Any]:
    try:
        async with AsyncExitStack() as stack:
            token = attach(recording.context)
            try:
                response = await stack.enter_async_context(manager)
            finally:
                detach(token)
            _follow(response, recording)
            yield response
    except GeneratorExit:
        recording.close()
        raise
    except BaseException as error:
        recording.fail(error)
        raise
    recording.close()


def _follow(response: Any, recording: Any) -> None:
    """Follows a stream; of a refusal the client raises its error inside the context manager."""
    if response.status_code < _FIRST_FAILURE:
        observe_response(response, recording)


_READER = reader(
    (
        *_cohere_chat.ENDPOINTS,
        *_cohere_v1.ENDPOINTS,
        *_cohere_embeddings.ENDPOINTS,
        Endpoint("POST", r".*/rerank", _rerank.read_request, _rerank.read_response, _rerank.RerankFold),
    ),
    sent_of,
    semconv.PROVIDER_COHERE,
)
_MODULE = "cohere.core.http_client"
_WHY = "sends every request of both versions of the API, whichever client made it"

INTEGRATION = Integration(
    name="cohere",
    module="cohere",
    distribution="cohere",
    versions=">=5.10,<8",
    targets=(
        Target(f"{_MODULE}:HttpClient.request", _READER, why=_WHY),
        Target(f"{_MODULE}:HttpClient.stream", _READER, why=_WHY),
        Target(f"{_MODULE}:AsyncHttpClient.request", _READER, is_async=True, why=_WHY),
        Target(f"{_MODULE}:AsyncHttpClient.stream", _READER, why=_WHY),
    ),
    observe=observe,
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS, semconv.OP_RERANK),
    captures="messages, plans, tools, citations, documents, billed and used tokens, scores of rerankers",
)
