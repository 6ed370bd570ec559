"""Readers of Ollama's embeddings, of several texts (``/api/embed``) and of one (``/api/embeddings``)."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._ollama_chat import durations
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, plain
from spanwise.operation import Request, Response, Usage


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of either request."""
    request = Request(semconv.OP_EMBEDDINGS, semconv.PROVIDER_OLLAMA, as_text(body.get("model")))
    request.attributes = given([(semconv.EMBEDDINGS_DIMENSION_COUNT, as_count(body.get("dimensions")))])
    texts = body.get("input", body.get("prompt"))
    if wants_content and texts is not None:
        request.content[semconv.EMBEDDINGS_INPUT] = [texts] if isinstance(texts, str) else plain(texts)
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads either answer."""
    body = fields(answer)
    vectors = items(body.get("embeddings")) or [body.get("embedding")]
    count = as_count(body.get("prompt_eval_count"))
    return Response(
        model=as_text(body.get("model")),
        vectors=[vector for vector in vectors if items(vector)] or None,
        usage=None if count is None else Usage(input_tokens=count),
        attributes=durations(body)
        | given([(semconv.EMBEDDINGS_DIMENSION_COUNT, len(items(vectors[0])) or None)]),
    )


class EmbeddingsFold:
    """Embeddings are never streamed: this holds the one answer."""

    def __init__(self, wants_content: bool) -> None:
        self._answer: Any = None
        self._wants_content = wants_content

    def add(self, chunk: Any) -> None:
        """Takes the answer."""
        self._answer = chunk

    def response(self) -> Response:
        """Reads the answer."""
        return read_response(self._answer, self._wants_content)


ENDPOINTS = (
    Endpoint("POST", r".*/api/embed", read_request, read_response, EmbeddingsFold),
    Endpoint("POST", r".*/api/embeddings", read_request, read_response, EmbeddingsFold),
)
