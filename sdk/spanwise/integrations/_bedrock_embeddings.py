"""Readers of the embedding models on Bedrock: Titan, Cohere, Nova, and others that use their names.

The vectors themselves are not recorded, only how long they are.
"""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._openai_parameters import first_count
from spanwise.integrations._stainless_fields import as_count, as_text, as_texts, fields, given, items
from spanwise.operation import Request, Response, Usage

_NOVA_TASKS = ("SINGLE_EMBEDDING", "SEGMENTED_EMBEDDING")
_OWN_FIELDS = (
    "embeddingConfig",
    "embeddingTypes",
    "embedding_types",
    "normalize",
    "inputImage",
    "input_type",
)
_PLAIN_NUMBERS = ("float", "int8", "uint8")
"""Kinds of vectors that have one number a dimension; binary ones hold eight."""


def is_embedding(body: Mapping[str, Any], model: str) -> bool:
    """Tells whether a body asks for embeddings; an ARN does not always tell the model."""
    if body.get("taskType") in _NOVA_TASKS:
        return True
    return "embed" in model or any(field in body for field in _OWN_FIELDS)


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of a request for embeddings."""
    request = Request(semconv.OP_EMBEDDINGS, semconv.PROVIDER_BEDROCK)
    nova = fields(body.get("singleEmbeddingParams")) or fields(body.get("segmentedEmbeddingParams"))
    config = fields(body.get("embeddingConfig"))
    length = first_count(
        (body, "dimensions"),
        (body, "output_dimension"),
        (config, "outputEmbeddingLength"),
        (nova, "embeddingDimension"),
    )
    kinds = as_texts(body.get("embedding_types") or body.get("embeddingTypes"))
    request.attributes = given(
        [(semconv.EMBEDDINGS_DIMENSION_COUNT, length), (semconv.REQUEST_ENCODING_FORMATS, kinds)]
    )
    texts = _texts(body, nova)
    if wants_content and texts:
        request.content[semconv.EMBEDDINGS_INPUT] = texts
    return request


def _texts(body: Mapping[str, Any], nova: Mapping[str, Any]) -> list[str]:
    shown = as_text(fields(nova.get("text")).get("value"))
    if shown:
        return [shown]
    for name in ("texts", "inputText", "text", "inputs"):
        texts = as_texts(body.get(name))
        if texts:
            return texts
    parts = [
        fields(part) for each in items(body.get("inputs")) for part in items(fields(each).get("content"))
    ]
    return [text for part in parts if (text := as_text(part.get("text")))]


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer. ``wants_content`` changes nothing: it holds vectors, not text."""
    body = fields(answer)
    vectors = _vectors(body)
    count = as_count(body.get("inputTextTokenCount"))
    return Response(
        id=as_text(body.get("id")),
        usage=None if count is None else Usage(input_tokens=count),
        attributes=given([(semconv.EMBEDDINGS_DIMENSION_COUNT, len(vectors[0]) if vectors else None)]),
        vectors=vectors,
    )


def _vectors(body: Mapping[str, Any]) -> list[Any]:
    """Returns the vectors of an answer, whichever way a family packs them."""
    for held in (
        body.get("embedding"),
        body.get("embeddings"),
        body.get("embeddingsByType"),
        body.get("data"),
    ):
        if isinstance(held, dict):  # by kind of number
            held = next((held[kind] for kind in _PLAIN_NUMBERS if items(held.get(kind))), None)
        vectors = items(held)
        if vectors and isinstance(vectors[0], (int, float)):
            return [vectors]
        found = [items(vector) or items(fields(vector).get("embedding")) for vector in vectors]
        if found and found[0]:
            return found
    return []


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
