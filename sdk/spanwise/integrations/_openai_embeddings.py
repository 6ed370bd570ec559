"""Readers of embeddings."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._openai_parameters import chat_usage, read_failure
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import (
    Parameters,
    as_count,
    as_text,
    fields,
    given,
    items,
    parameters,
    plain,
)
from spanwise.operation import Request, Response

_FLOAT_BYTES = 4


def _encodings(value: Any) -> list[str] | None:
    return [value] if as_text(value) else None


_PARAMETERS: Parameters = {
    "dimensions": (semconv.EMBEDDINGS_DIMENSION_COUNT, as_count),
    "encoding_format": (semconv.REQUEST_ENCODING_FORMATS, _encodings),
}


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /embeddings``."""
    request = Request(semconv.OP_EMBEDDINGS, semconv.PROVIDER_OPENAI, as_text(body.get("model")))
    request.attributes = parameters(body, _PARAMETERS)
    texts = body.get("input")
    if wants_content and texts is not None:
        request.content[semconv.EMBEDDINGS_INPUT] = [texts] if isinstance(texts, str) else plain(texts)
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads a ``CreateEmbeddingResponse``, or the JSON it is made from, vectors as numbers or in base64."""
    body = fields(answer)
    vectors = [fields(each).get("embedding") for each in items(body.get("data"))]
    length = _length(vectors[0]) if vectors else None
    response = Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        usage=chat_usage(body.get("usage")),
        attributes=given([(semconv.EMBEDDINGS_DIMENSION_COUNT, length)]),
        vectors=vectors,
    )
    read_failure(response, body.get("error"))
    return response


def _length(vector: Any) -> int | None:
    if isinstance(vector, str):
        # Base64's padding stands for less than a float, so the division leaves it out.
        return len(vector) * 3 // 4 // _FLOAT_BYTES or None
    return len(items(vector)) or None


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


ENDPOINT = Endpoint(
    method="POST",
    path=r".*/embeddings",
    read_request=read_request,
    read_response=read_response,
    new_fold=EmbeddingsFold,
)
