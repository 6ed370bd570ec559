"""Readers of rerankers: a query, documents, and their scores. Cohere, Together and others answer alike."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._openai_parameters import chat_usage, read_failure
from spanwise.integrations._stainless_fields import (
    as_count,
    as_number,
    as_text,
    fields,
    given,
    items,
    plain,
)
from spanwise.operation import Request, Response

_TEXT_FIELDS = ("text", "content", "title")


def read_request(body: Mapping[str, Any], wants_content: bool) -> Request:
    """Reads the body of ``POST /rerank``."""
    request = Request(semconv.OP_RERANK, semconv.PROVIDER_COHERE, as_text(body.get("model")))
    request.attributes = given([(semconv.RETRIEVAL_TOP_K, as_count(body.get("top_n")))])
    if wants_content:
        query = as_text(body.get("query"))
        if query:
            request.content[semconv.RETRIEVAL_QUERY_TEXT] = query
        if items(body.get("documents")):
            request.content[semconv.STEP_INPUT] = plain(body["documents"])
    return request


def read_response(answer: Any, wants_content: bool) -> Response:
    """Reads the answer: each document's place in the request is its id, the best comes first."""
    body = fields(answer)
    units = fields(fields(body.get("meta")).get("billed_units"))
    response = Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        usage=chat_usage(body.get("usage")),
        attributes=given([(semconv.USAGE_SEARCH_UNITS, as_number(units.get("search_units")))]),
    )
    read_failure(response, body.get("error"))
    results = [fields(result) for result in items(body.get("results"))]
    if wants_content and results:
        response.content[semconv.RETRIEVAL_DOCUMENTS] = [_document(result) for result in results]
    return response


def _document(result: Mapping[str, Any]) -> dict[str, Any]:
    score = as_number(result.get("relevance_score"))
    document: dict[str, Any] = {"id": str(result.get("index")), "score": score}
    sent = result.get("document")
    content = as_text(sent) or next(
        (text for name in _TEXT_FIELDS if (text := as_text(fields(sent).get(name)))), None
    )
    if content:
        document["content"] = content
    return document


class RerankFold:
    """Rerankers never stream: this holds the one answer."""

    def __init__(self, wants_content: bool) -> None:
        self._answer: Any = None
        self._wants_content = wants_content

    def add(self, chunk: Any) -> None:
        """Takes the answer."""
        self._answer = chunk

    def response(self) -> Response:
        """Reads the answer."""
        return read_response(self._answer, self._wants_content)
