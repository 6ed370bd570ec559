"""Readers of Cohere's embeddings, both versions. Of the vectors only the length is recorded."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._openai_parts import content_parts
from spanwise.integrations._stainless import Endpoint
from spanwise.integrations._stainless_fields import (
    as_count,
    as_text,
    as_texts,
    fields,
    given,
    items,
    plain,
)
from spanwise.messages import uri
from spanwise.operation import Request, Response, Usage

_NUMBERS = ("float", "int8", "uint8")
_BITS = ("binary", "ubinary")
_FLOAT_BYTES = 4


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /embed``."""
    request = Request(semconv.OP_EMBEDDINGS, semconv.PROVIDER_COHERE, as_text(body.get("model")))
    request.attributes = given(
        [
            (semconv.EMBEDDINGS_DIMENSION_COUNT, as_count(body.get("output_dimension"))),
            (semconv.REQUEST_ENCODING_FORMATS, as_texts(body.get("embedding_types"))),
        ]
    )
    if wants_content:
        sent = [
            *plain(items(body.get("texts"))),
            *(uri("image", image) for image in items(body.get("images")) if isinstance(image, str)),
            *(content_parts(fields(each).get("content")) for each in items(body.get("inputs"))),
        ]
        if sent:
            request.content[semconv.EMBEDDINGS_INPUT] = sent
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer: one list of vectors, or one for each kind of number asked for."""
    body = fields(answer)
    billed = fields(fields(body.get("meta")).get("billed_units"))
    texts, images = as_count(billed.get("input_tokens")), as_count(billed.get("image_tokens"))
    is_told = (texts, images) != (None, None)
    return Response(
        id=as_text(body.get("id")),
        usage=Usage(input_tokens=(texts or 0) + (images or 0), image_input_tokens=images)
        if is_told
        else None,
        vectors=_vectors(body.get("embeddings")),
        attributes=given([(semconv.EMBEDDINGS_DIMENSION_COUNT, _length(body.get("embeddings")))]),
    )


def _vectors(embeddings: Any) -> list[Any] | None:
    """Returns the vectors as numbers, or as floats in base64."""
    kinds = fields(embeddings)
    found = items(embeddings) or items(kinds.get("float")) or items(kinds.get("base64"))
    return list(found) or None


def _length(embeddings: Any) -> int | None:
    """Returns the number of dimensions; binary vectors have eight in a number."""
    if items(embeddings):
        return len(items(embeddings[0])) or None
    kinds = fields(embeddings)
    for names, factor in ((_NUMBERS, 1), (_BITS, 8)):
        for name in names:
            vectors = items(kinds.get(name))
            if vectors:
                return len(items(vectors[0])) * factor or None
    packed = items(kinds.get("base64"))
    return len(packed[0]) * 3 // 4 // _FLOAT_BYTES or None if packed and isinstance(packed[0], str) else None


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


ENDPOINTS = (Endpoint("POST", r".*/embed", read_request, read_response, EmbeddingsFold),)
