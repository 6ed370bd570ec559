"""Readers of LiteLLM's calls, which have the shape of OpenAI's API whoever answers them."""

import sys
from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _openai_chat, _openai_completions, _openai_embeddings
from spanwise.integrations._declaration import Call, Reader
from spanwise.integrations._hosts import server_of
from spanwise.integrations._openai_parameters import chat_usage
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items
from spanwise.operation import Request, Response

_PROVIDERS = {
    "azure": semconv.PROVIDER_AZURE_OPENAI,
    "azure_text": semconv.PROVIDER_AZURE_OPENAI,
    "azure_ai": semconv.PROVIDER_AZURE_INFERENCE,
    "bedrock": semconv.PROVIDER_BEDROCK,
    "bedrock_converse": semconv.PROVIDER_BEDROCK,
    "cohere_chat": semconv.PROVIDER_COHERE,
    "fireworks_ai": semconv.PROVIDER_FIREWORKS,
    "gemini": semconv.PROVIDER_GEMINI,
    "mistral": semconv.PROVIDER_MISTRAL,
    "moonshot": semconv.PROVIDER_MOONSHOT,
    "ollama_chat": semconv.PROVIDER_OLLAMA,
    "text-completion-openai": semconv.PROVIDER_OPENAI,
    "vertex_ai": semconv.PROVIDER_VERTEX_AI,
    "vertex_ai_beta": semconv.PROVIDER_VERTEX_AI,
    "watsonx": semconv.PROVIDER_WATSONX,
    "xai": semconv.PROVIDER_XAI,
}
"""LiteLLM's names where they are not OpenTelemetry's."""
UNKNOWN_PROVIDER = "litellm"


class _Fold:
    """The fold of a stream. Counts that the app did not ask for are beside the last chunk.

    Args:
        call: Its ``memo`` is a weak reference to the stream.
    """

    def __init__(self, call: Call) -> None:
        self._fold = _openai_chat.ENDPOINT.new_fold(call.wants_content)
        self._stream = call.memo
        self._usage: Any = None

    def add(self, chunk: Any) -> None:
        hidden = getattr(chunk, "_hidden_params", None)
        usage = hidden.get("usage") if isinstance(hidden, dict) else None
        self._usage = usage or self._usage
        self._fold.add(chunk)

    def response(self) -> Response:
        response = self._fold.response()
        if response.usage is None and self._usage is not None:
            response.usage = chat_usage(self._usage)
        stream = self._stream() if self._stream is not None else None
        # Chunks name the model that was asked for; the stream remembers the one that answered.
        response.model = as_text(getattr(stream, "_provider_response_model", None)) or response.model
        return response


def _chat_body(call: Call) -> dict[str, Any]:
    return {**dict(zip(("model", "messages"), call.args, strict=False)), **call.kwargs}


def _embedding_body(call: Call) -> dict[str, Any]:
    return {**dict(zip(("model", "input"), call.args, strict=False)), **call.kwargs}


def _named(request: Request, body: Mapping[str, Any]) -> Request:
    """Adds who answers: LiteLLM's own rules make provider and model from names such as ``groq/llama-3``."""
    base = body.get("api_base") or body.get("base_url")
    model, provider = as_text(body.get("model")), as_text(body.get("custom_llm_provider"))
    resolve = getattr(sys.modules.get("litellm"), "get_llm_provider", None)
    if resolve is not None and model:
        try:
            model, provider, *_ = resolve(model=model, custom_llm_provider=provider, api_base=base)
        except Exception:  # noqa: BLE001  unknown to LiteLLM too: the call itself will say so to the app
            provider = provider or UNKNOWN_PROVIDER
    request.model = model
    request.provider = _PROVIDERS.get(provider or "", provider or UNKNOWN_PROVIDER)
    if base:
        server = server_of(base)
        request.server_address, request.server_port = server.address, server.port
    return request


def _read_chat_request(call: Call) -> Request:
    body = _chat_body(call)
    request = _named(_openai_chat.ENDPOINT.read_request(body, call.wants_content), body)
    request.attributes.pop(semconv.OPENAI_API_TYPE, None)
    request.is_stream = bool(body.get("stream"))
    if body.get("text_completion"):
        request.operation = semconv.OP_TEXT_COMPLETION
    return request


def _read_chat_response(answer: Any, call: Call) -> Response:
    is_text = any("text" in fields(choice) for choice in items(fields(answer).get("choices")))
    endpoint = _openai_completions.ENDPOINT if is_text else _openai_chat.ENDPOINT
    return endpoint.read_response(answer, call.wants_content)


def _read_embedding_request(call: Call) -> Request:
    body = _embedding_body(call)
    return _named(_openai_embeddings.ENDPOINT.read_request(body, call.wants_content), body)


def _read_error(error: BaseException, call: Call) -> Response | None:
    status = as_count(getattr(error, "status_code", None))
    return Response(attributes=given([(semconv.HTTP_RESPONSE_STATUS_CODE, status)]))


def _reader_of(embeddings: Endpoint) -> Reader:
    def read_response(answer: Any, call: Call) -> Response:
        return embeddings.read_response(answer, call.wants_content)

    return Reader(_read_embedding_request, read_response, read_error=_read_error)


CHAT = Reader(
    _read_chat_request,
    _read_chat_response,
    new_state=_Fold,
    fold=lambda state, chunk: state.add(chunk),
    finish=lambda state: state.response(),
    read_error=_read_error,
)
EMBEDDINGS = _reader_of(_openai_embeddings.ENDPOINT)
