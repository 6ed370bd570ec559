"""Readers of Pinecone's inference service: embed and rerank."""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._database import MAX_DOCUMENTS, add_server, argument, outermost
from spanwise.integrations._declaration import Call, Reader
from spanwise.integrations._stainless_fields import as_count, as_number, as_text, given, items, plain
from spanwise.operation import Request, Response, Usage

SYSTEM = "pinecone"


def _request(call: Call, operation: str) -> Request:
    model = argument(call, "model", 0)
    name = getattr(model, "value", model)  # an enumeration lists the service's own models
    request = Request(operation, SYSTEM, as_text(name))
    holder = getattr(call.instance, "_http", call.instance)
    configuration = getattr(holder, "_config", None) or getattr(holder, "config", None)
    if configuration is None:
        configuration = getattr(getattr(holder, "api_client", None), "configuration", None)
    add_server(request, getattr(configuration, "host", None))
    return request


def read_embed(call: Call) -> Request:
    """Reads the arguments of ``inference.embed``."""
    request = _request(call, semconv.OP_EMBEDDINGS)
    parameters = argument(call, "parameters", 2)
    if isinstance(parameters, Mapping):
        dimension = as_count(parameters.get("dimension"))
        request.attributes = given([(semconv.EMBEDDINGS_DIMENSION_COUNT, dimension)])
    inputs = argument(call, "inputs", 1)
    if call.wants_content and inputs is not None:
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        request.content[semconv.EMBEDDINGS_INPUT] = [_text(each) for each in texts]
    return request


def read_embedded(result: Any, call: Call) -> Response:
    """Reads an ``EmbeddingsList``: the model, the tokens and the vectors' length."""
    data = items(_field(result, "data"))
    vectors = [items(_field(each, "values")) for each in data]
    tokens = as_count(_field(_field(result, "usage"), "total_tokens"))
    return Response(
        model=as_text(_field(result, "model")),
        usage=None if tokens is None else Usage(input_tokens=tokens),
        attributes=given(
            [(semconv.EMBEDDINGS_DIMENSION_COUNT, len(vectors[0]) or None if vectors else None)]
        ),
        vectors=vectors,
    )


def read_rerank(call: Call) -> Request:
    """Reads the arguments of ``inference.rerank``."""
    request = _request(call, semconv.OP_RERANK)
    documents = argument(call, "documents", 2)
    top_n = argument(call, "top_n", 5)
    request.attributes = given(
        [
            (semconv.RETRIEVAL_TOP_K, as_count(top_n)),
            (semconv.RERANK_DOCUMENT_COUNT, len(items(documents)) or None),
        ]
    )
    query = argument(call, "query", 1)
    if call.wants_content and isinstance(query, str):
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = query
    return request


def read_reranked(result: Any, call: Call) -> Response:
    """Reads a ``RerankResult``: the documents in their new order, with scores."""
    ranked = items(_field(result, "data"))
    response = Response(model=as_text(_field(result, "model")))
    units = as_count(_field(_field(result, "usage"), "rerank_units"))
    if units is not None:
        response.attributes["pinecone.usage.rerank_units"] = units
    sent = items(argument(call, "documents", 2))
    documents = [_ranked(each, sent, call.wants_content) for each in ranked[:MAX_DOCUMENTS]]
    if documents:
        (response.content if call.wants_content else response.outline)[semconv.RETRIEVAL_DOCUMENTS] = (
            documents
        )
    return response


def _ranked(entry: Any, sent: Any, wants_content: bool) -> dict[str, Any]:
    index = as_count(_field(entry, "index"))
    document = _field(entry, "document")
    if document is None and index is not None and index < len(sent):
        document = sent[index]
    own_id = _field(document, "id")
    held: dict[str, Any] = {"id": own_id if isinstance(own_id, str) else str(index), "index": index}
    held["score"] = as_number(_field(entry, "score"))
    if wants_content and document is not None:
        held["content"] = _text(document)
    return held


def _text(document: Any) -> Any:
    if isinstance(document, str):
        return document
    text = _field(document, "text")
    return text if isinstance(text, str) else plain(document)


def _field(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    found = getattr(value, name, None)
    return None if callable(found) else found


_accepts = outermost(SYSTEM)
EMBED = Reader(read_embed, read_embedded, accepts=_accepts, is_fresh=True)
RERANK = Reader(read_rerank, read_reranked, accepts=_accepts, is_fresh=True)
