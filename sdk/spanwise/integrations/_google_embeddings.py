"""Readers of Gemini's and Vertex AI's embeddings. Of the vectors only the length is recorded."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._google_content import usage_of
from spanwise.integrations._google_parts import get, held
from spanwise.integrations._stainless_fields import as_count, as_text, fields, given, items, joined
from spanwise.operation import Request, Response, Usage


def is_embedding(body: Mapping[str, Any]) -> bool:
    """Tells a request for embeddings from others that Vertex AI's ``predict`` takes, such as for images."""
    return any("content" in fields(instance) for instance in items(body.get("instances")))


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``batchEmbedContents``, ``embedContent`` or ``predict``."""
    request = Request(semconv.OP_EMBEDDINGS, semconv.PROVIDER_GEMINI)
    asked = [fields(each) for each in items(body.get("requests"))] or [body]
    lengths = (
        get(asked[0], "outputDimensionality"),
        get(held(body, "embedContentConfig"), "outputDimensionality"),
        get(held(body, "parameters"), "outputDimensionality"),
    )
    length = next((count for value in lengths if (count := as_count(value)) is not None), None)
    request.attributes = given([(semconv.EMBEDDINGS_DIMENSION_COUNT, length)])
    if wants_content:
        sent = [fields(each).get("content") for each in items(body.get("instances")) or asked]
        texts = [as_text(each) or joined(fields(each).get("parts")) for each in sent]
        request.content[semconv.EMBEDDINGS_INPUT] = texts
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer. ``wants_content`` changes nothing: it holds vectors, not text."""
    body = fields(answer)
    predictions = [held(fields(each), "embeddings") for each in items(body.get("predictions"))]
    found = [fields(each) for each in items(body.get("embeddings"))] or [
        held(body, "embedding"),
        *predictions,
    ]
    vectors = [vector for each in found if (vector := items(each.get("values")))]
    counts = [as_count(get(held(each, "statistics"), "tokenCount")) for each in found]
    known = [count for count in counts if count is not None]
    return Response(
        usage=Usage(input_tokens=sum(known)) if known else usage_of(held(body, "usageMetadata")),
        attributes=given([(semconv.EMBEDDINGS_DIMENSION_COUNT, len(vectors[0]) if vectors else None)]),
        vectors=vectors,
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
