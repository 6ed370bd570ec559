"""What vector stores have in common: a search is a retrieval, everything else an operation of a database.

Named by OpenTelemetry's conventions for databases beside those for GenAI: system, operation, collection. A
store may embed a query's text itself, so models that are called inside make spans of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from spanwise import semconv
from spanwise.integrations._declaration import Call, Reader, Target
from spanwise.integrations._stainless_fields import plain
from spanwise.operation import AttributeValue, Request, Response
from spanwise.suppression import is_within_call

MAX_DOCUMENTS = 100
"""Documents recorded of one call; ``db.response.returned_rows`` tells how many there were."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
_TEXT_FIELDS = ("text", "content", "page_content", "document", "chunk_text", "chunk", "body", "passage")
"""Where stores without a field for the text of a record commonly have it: among its other fields."""


def new_request(system: str, operation: str, collection: str | None, *, is_search: bool = False) -> Request:
    """Returns the request of one call of a vector store.

    Args:
        system: ``db.system.name``, also the provider.
        operation: ``db.operation.name``: the method as the library calls it.
        collection: The collection or index, if it has a name.
        is_search: True for what ranks records by a query.
    """
    attributes: dict[str, AttributeValue] = {
        semconv.DB_SYSTEM_NAME: system,
        semconv.DB_OPERATION_NAME: operation,
    }
    if collection:
        attributes[semconv.DB_COLLECTION_NAME] = collection
        if is_search:
            attributes[semconv.DATA_SOURCE_ID] = collection
    return Request(
        operation=semconv.OP_RETRIEVAL if is_search else operation,
        provider=system,
        attributes=attributes,
        subject=collection,
        contains_calls=True,
    )


def targets(system: str, module: str, owner: str, readers: Mapping[str, Reader]) -> tuple[Target, ...]:
    """Returns the methods of a class to patch, an asynchronous one where its name says so."""
    is_async = "async" in owner.lower()
    why = f"the public method; what it calls of {system} itself is part of it"
    return tuple(
        Target(f"{module}:{owner}.{name}", reader, is_async, why) for name, reader in readers.items()
    )


def outermost(system: str) -> Any:
    """Returns an ``accepts`` that leaves calls to the call of the same store that they are part of."""
    return lambda call: not is_within_call(system)


def argument(call: Call, name: str, position: int | None = None, default: Any = None) -> Any:
    """Returns an argument by its name, else by its position."""
    if name in call.kwargs:
        return call.kwargs[name]
    if position is not None and position < len(call.args):
        return call.args[position]
    return default


def add_queries(request: Request, texts: Sequence[Any], wants_content: bool) -> None:
    """Adds the texts that are searched for; several are set one below the other."""
    given = [text for text in texts if isinstance(text, str)]
    if given and wants_content:
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = "\n".join(given)


def add_sizes(
    request: Request, *, top_k: Any = None, queries: int | None = None, dimension: int | None = None
) -> None:
    """Adds how many results are asked for, how many queries there are, and how long their vectors are."""
    attributes = request.attributes
    if isinstance(top_k, int) and not isinstance(top_k, bool):
        attributes[semconv.RETRIEVAL_TOP_K] = top_k
    if queries is not None and queries > 1:
        attributes[semconv.DB_OPERATION_BATCH_SIZE] = queries
    if dimension:
        attributes[semconv.DB_VECTOR_DIMENSION_COUNT] = dimension


def add_records(request: Request, count: int | None) -> None:
    """Adds how many records are written, fetched or deleted, where that is known before."""
    if count is not None:
        request.attributes[semconv.DB_RECORD_COUNT] = count


def add_server(request: Request, address: Any, port: Any = None) -> None:
    """Adds the server, given as its host and port or as a URL."""
    if not isinstance(address, str) or not address:
        return
    if "//" in address:
        url = urlsplit(address)
        address, port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
    request.server_address = address
    request.server_port = port if isinstance(port, int) else None


def length_of(vectors: Any) -> int | None:
    """Returns the number of entries without looking at them; ``None`` for iterators."""
    try:
        return len(vectors)
    except TypeError:
        return None


def shape_of(vectors: Any) -> tuple[int | None, int | None]:
    """Returns the number of vectors and their length, of one vector, a list of them, or an array."""
    shape = getattr(vectors, "shape", None)
    if isinstance(shape, tuple):
        return (shape[0], shape[1]) if len(shape) == 2 else (1, shape[0] if shape else None)
    count = length_of(vectors)
    if not count or isinstance(vectors, str | Mapping):
        return None, None
    first = vectors[0] if isinstance(vectors, Sequence) else None
    if first is None:
        return count, None
    inner = None if isinstance(first, str | Mapping) else length_of(first)
    return (1, count) if inner is None and isinstance(first, int | float) else (count, inner)


def found(
    documents: Iterable[dict[str, Any]], rows: int, wants_content: bool, key: str | None = None
) -> Response:
    """Returns the response of a search or fetch.

    Args:
        documents: ``{"id", "score" or "distance", "content", "metadata"}``, the last two only where content
            is recorded; only the first ``MAX_DOCUMENTS`` are taken.
        rows: How many there were.
        wants_content: Whether content is recorded; the ids and scores are in any case.
        key: The attribute that says ``rows``; that of returned rows when it is not given.
    """
    response = Response(attributes={key or semconv.DB_RESPONSE_RETURNED_ROWS: rows})
    kept = [document for document, _ in zip(documents, range(MAX_DOCUMENTS), strict=False)]
    if kept:
        (response.content if wants_content else response.outline)[semconv.RETRIEVAL_DOCUMENTS] = kept
    return response


def fresh(fields: Mapping[str, Any], left_out: str | None = None) -> dict[str, Any]:
    """Returns a copy that nobody else holds, without one field: readers here give only such content away."""
    return {
        str(key): value if value.__class__ in _PLAIN else plain(value)
        for key, value in fields.items()
        if key != left_out
    }


def record(
    record_id: Any,
    fields: Mapping[str, Any] | None,
    score: Any = None,
    *,
    wants_content: bool,
    query: int | None = None,
) -> dict[str, Any]:
    """Returns one document of a store whose records are an id and fields, one of which may be its text."""
    document: dict[str, Any] = {"id": record_id if isinstance(record_id, str | int) else str(record_id)}
    if score is not None:
        document["score"] = score
    if query is not None:
        document["query"] = query
    if wants_content and isinstance(fields, Mapping) and fields:
        name = next((name for name in _TEXT_FIELDS if isinstance(fields.get(name), str)), None)
        if name is not None:
            document["content"] = fields[name]
        rest = fresh(fields, name)
        if rest:
            document["metadata"] = rest
    return document
