"""The ``qdrant-client``: in this process and on a server, over HTTP and gRPC, sync and async.

Traced: everything that ranks points by a query as retrievals; scroll, retrieve and writes as operations of a
database. Where the client embeds texts itself, that is part of the call.
"""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _database
from spanwise.integrations._database import argument, length_of, shape_of
from spanwise.integrations._declaration import Call, Integration, Reader
from spanwise.integrations._stainless_fields import fields
from spanwise.operation import Request, Response

SYSTEM = "qdrant"
_NESTED_QUERIES = ("nearest", "query", "mmr", "recommend", "target", "query_vector", "vector")
_MAX_DEPTH = 6


def _request(call: Call, operation: str, *, is_search: bool = False) -> Request:
    name = argument(call, "collection_name", 0)
    request = _database.new_request(
        SYSTEM, operation, name if isinstance(name, str) else None, is_search=is_search
    )
    transport = getattr(call.instance, "_client", None)
    _database.add_server(request, getattr(transport, "_host", None), getattr(transport, "_port", None))
    return request


def _read_search(operation: str, query: str, position: int | None, default_limit: int) -> Any:
    """Makes the reader of a method whose argument ``query`` holds a vector, text, id, or a query of these."""

    def read_request(call: Call) -> Request:
        request = _request(call, operation, is_search=True)
        given = argument(call, query, position)
        limit = argument(call, "limit", None, default_limit)
        # A list of examples to recommend by holds ids or vectors: what looks like a vector may be neither.
        dimension = None if query in ("positive", "target") else _dimension_of(given)
        _database.add_sizes(request, top_k=limit, dimension=dimension)
        is_id = isinstance(given, str) and query != "query_text"
        _database.add_queries(request, [] if is_id else _texts_of(given), call.wants_content)
        return request

    return read_request


def _read_batch(operation: str) -> Any:
    def read_request(call: Call) -> Request:
        request = _request(call, operation, is_search=True)
        requests = argument(call, "requests", 1) or argument(call, "query_texts", 1) or ()
        limits = [limit for each in requests if isinstance(limit := _field(each, "limit"), int)]
        _database.add_sizes(
            request, top_k=max(limits, default=argument(call, "limit")), queries=length_of(requests)
        )
        texts = [text for each in requests for text in _texts_of(each)]
        _database.add_queries(request, texts, call.wants_content)
        return request

    return read_request


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _texts_of(query: Any, depth: int = 0) -> list[str]:
    """Returns the texts in a query: it may be one, hold one for the client to embed, or combine several."""
    if isinstance(query, str):
        return [query] if depth == 0 else []
    text = _field(query, "text")
    if isinstance(text, str):
        return [text]
    if query is None or depth > _MAX_DEPTH or shape_of(query)[0] is not None:
        return []
    nested = (_field(query, name) for name in _NESTED_QUERIES)
    return [text for each in nested if each is not None for text in _texts_of(each, depth + 1)]


def _dimension_of(query: Any, depth: int = 0) -> int | None:
    """Returns the length of the vector that a query compares with, where it is given one."""
    if query is None or isinstance(query, str | int) or depth > _MAX_DEPTH:
        return None
    if isinstance(query, tuple) and len(query) == 2 and isinstance(query[0], str):  # a name and a vector
        return shape_of(query[1])[1]
    count, dimension = shape_of(query)
    if count is not None:
        return dimension
    nested = (_field(query, name) for name in _NESTED_QUERIES)
    return next((found for each in nested if (found := _dimension_of(each, depth + 1)) is not None), None)


def read_found(result: Any, call: Call) -> Response:
    """Reads scored points: a list, a response that holds one, groups of them, or a list of these."""
    batches = _batches(result)
    many = len(batches) > 1
    rows = sum(len(batch) for batch in batches)
    documents = (
        _document(point, call.wants_content, query if many else None)
        for query, batch in enumerate(batches)
        for point in batch
    )
    return _database.found(documents, rows, call.wants_content)


def _batches(result: Any) -> list[list[Any]]:
    points = getattr(result, "points", None)
    if isinstance(points, list):
        return [points]
    groups = getattr(result, "groups", None)
    if isinstance(groups, list):
        return [[hit for group in groups for hit in group.hits]]
    if isinstance(result, list) and result and (isinstance(result[0], list) or hasattr(result[0], "points")):
        return [points for each in result for points in _batches(each)]
    return [result] if isinstance(result, list) else []


def _document(point: Any, wants_content: bool, query: int | None = None) -> dict[str, Any]:
    held = fields(point)  # a model answers each question for what it lacks with an exception
    own = held.get("payload") or held.get("metadata")
    document = _database.record(
        held.get("id"), own, held.get("score"), wants_content=wants_content, query=query
    )
    text = held.get("document")  # what the client embedded itself comes back beside its metadata
    if wants_content and isinstance(text, str):
        document["content"] = text
    return document


def read_scroll(call: Call) -> Request:
    """Reads the arguments of ``scroll``: points by filter, a page at a time."""
    return _request(call, "scroll")


def read_scrolled(result: Any, call: Call) -> Response:
    """Reads a page of points; the other half of the result is where the next one starts."""
    return read_found(result[0], call)


def read_retrieve(call: Call) -> Request:
    """Reads the arguments of ``retrieve``: points by id."""
    request = _request(call, "retrieve")
    _database.add_records(request, length_of(argument(call, "ids", 1)))
    return request


def _read_write(operation: str, *names: str) -> Any:
    def read_request(call: Call) -> Request:
        request = _request(call, operation)
        records = next((found for name in names if (found := argument(call, name)) is not None), None)
        if records is None and len(call.args) > 1:
            records = call.args[1]
        _database.add_records(request, _count_of(records))
        return request

    return read_request


def _count_of(records: Any) -> int | None:
    """Counts points: a list of them, or columns, or a selection by id. An iterator is left alone."""
    if isinstance(records, str):
        return 1
    for name in ("ids", "points"):
        found = getattr(records, name, None)
        if found is not None and not callable(found):
            return length_of(found)
    return 1 if isinstance(records, int) else length_of(records)


def read_written(result: Any, call: Call) -> Response:
    """Reads the answer of a write: its state."""
    status = getattr(result, "status", None)
    state = getattr(status, "value", status)
    return Response(attributes={"db.response.status_code": state} if isinstance(state, str) else {})


def read_added(result: Any, call: Call) -> Response:
    """Reads the ids that ``add`` returns."""
    count = length_of(result)
    return Response(attributes={} if count is None else {semconv.DB_RECORD_COUNT: count})


_accepts = _database.outermost(SYSTEM)


def _search(operation: str, query: str, position: int | None, limit: int = 10) -> Reader:
    return Reader(
        _read_search(operation, query, position, limit), read_found, accepts=_accepts, is_fresh=True
    )


def _write(operation: str, *names: str) -> Reader:
    return Reader(_read_write(operation, *names), read_written, accepts=_accepts, is_fresh=True)


_READERS = {
    "query_points": _search("query_points", "query", 1),
    "query_points_groups": _search("query_points_groups", "query", 2),
    "search": _search("search", "query_vector", 1),
    "search_groups": _search("search_groups", "query_vector", 1),
    "recommend": _search("recommend", "positive", 1),
    "recommend_groups": _search("recommend_groups", "positive", 2),
    "discover": _search("discover", "target", 1),
    "query": _search("query", "query_text", 1),
    **{
        name: Reader(_read_batch(name), read_found, accepts=_accepts, is_fresh=True)
        for name in ("query_batch_points", "search_batch", "recommend_batch", "discover_batch", "query_batch")
    },
    "scroll": Reader(read_scroll, read_scrolled, accepts=_accepts, is_fresh=True),
    "retrieve": Reader(read_retrieve, read_found, accepts=_accepts, is_fresh=True),
    "add": Reader(_read_write("add", "documents"), read_added, accepts=_accepts, is_fresh=True),
    "upsert": _write("upsert", "points"),
    "update_vectors": _write("update_vectors", "points"),
    "delete_vectors": _write("delete_vectors", "points"),
    "delete": _write("delete", "points_selector"),
    "set_payload": _write("set_payload", "points"),
    "overwrite_payload": _write("overwrite_payload", "points"),
    "delete_payload": _write("delete_payload", "points"),
    "batch_update_points": _write("batch_update_points", "update_operations"),
}
_UPLOADS = {
    "upload_points": _write("upload_points", "points"),
    "upload_collection": _write("upload_collection", "vectors"),
}


INTEGRATION = Integration(
    name="qdrant",
    module="qdrant_client",
    distribution="qdrant-client",
    versions=">=1.13.2,<2",
    targets=(
        *_database.targets(SYSTEM, "qdrant_client.qdrant_client", "QdrantClient", _READERS | _UPLOADS),
        *_database.targets(SYSTEM, "qdrant_client.async_qdrant_client", "AsyncQdrantClient", _READERS),
    ),
    operations=(
        semconv.OP_RETRIEVAL,
        "scroll",
        "retrieve",
        "upsert",
        "delete",
        "set_payload",
        "upload_points",
    ),
    captures="query texts, limit, ids, scores and payloads of what was found; numbers of points written",
)
