"""The ``chromadb`` client: collections, in this process or on a server, sync and async.

Traced: query and search as retrievals; get, add, upsert, update and delete as operations of a database.
Where a collection embeds texts itself, the model's call has its own span inside.
"""

from collections.abc import Iterator
from typing import Any

from spanwise import semconv
from spanwise.integrations import _database
from spanwise.integrations._database import argument, length_of, shape_of
from spanwise.integrations._declaration import Call, Integration, Reader
from spanwise.operation import Request, Response

SYSTEM = "chroma"
_METRICS = {"l2": "l2", "cosine": "cosine", "ip": "inner_product"}


def _request(call: Call, operation: str, *, is_search: bool = False) -> Request:
    collection = call.instance
    name = getattr(collection, "name", None)
    request = _database.new_request(SYSTEM, operation, name, is_search=is_search)
    database = getattr(collection, "database", None)
    if isinstance(database, str):
        request.attributes[semconv.DB_NAMESPACE] = database
    _database.add_server(request, getattr(getattr(collection, "_client", None), "_api_url", None))
    return request


def _metric_of(collection: Any) -> str | None:
    """Returns what the distances of a collection are; the server says it when the collection is fetched."""
    model = getattr(collection, "_model", None)
    settings = getattr(model, "configuration_json", None) or {}
    metadata = getattr(model, "metadata", None) or {}
    for index in ("hnsw", "spann"):
        space = (settings.get(index) or {}).get("space")
        if isinstance(space, str):
            return _METRICS.get(space, space)
    space = metadata.get("hnsw:space")
    return _METRICS.get(space, space) if isinstance(space, str) else None


def _one_or_many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def read_query(call: Call) -> Request:
    """Reads the arguments of ``Collection.query``."""
    request = _request(call, "query", is_search=True)
    vectors, texts = argument(call, "query_embeddings", 0), argument(call, "query_texts", 1)
    queries, dimension = (None, None) if vectors is None else shape_of(vectors)
    if vectors is None:
        others = (texts, argument(call, "query_images", 2), argument(call, "query_uris", 3))
        given = next((each for each in others if each is not None), None)
        queries = 1 if isinstance(given, str) else length_of(given)
    positional = next((each for each in call.args[4:6] if isinstance(each, int)), 10)
    top_k = call.kwargs.get("n_results", positional)
    _database.add_sizes(request, top_k=top_k, queries=queries, dimension=dimension)
    _database.add_queries(request, _one_or_many(texts), call.wants_content)
    metric = _metric_of(call.instance)
    if metric:
        request.attributes[semconv.DB_METRIC] = metric
    return request


def read_search(call: Call) -> Request:
    """Reads the arguments of ``Collection.search``, whose queries are expressions."""
    request = _request(call, "search", is_search=True)
    searches = [_search(each) for each in _one_or_many(argument(call, "searches", 0))]
    limits = {limit for limit, _ in searches if limit is not None}
    _database.add_sizes(request, top_k=max(limits, default=None), queries=len(searches))
    texts = [text for _, found in searches for text in found]
    _database.add_queries(request, texts, call.wants_content)
    return request


def _search(search: Any) -> tuple[int | None, list[str]]:
    """Returns the limit of one search expression, and the texts that its ranking compares with."""
    plain = search.to_dict()
    limit = (plain.get("limit") or {}).get("limit")
    return limit, list(_knn_texts(plain.get("rank")))


def _knn_texts(rank: Any, depth: int = 0) -> Iterator[str]:
    if depth > 8:
        return
    if isinstance(rank, dict):
        knn = rank.get("$knn")
        if isinstance(knn, dict) and isinstance(knn.get("query"), str):
            yield knn["query"]
        for each in rank.values():
            yield from _knn_texts(each, depth + 1)
    elif isinstance(rank, list | tuple):
        for each in rank[:100]:
            yield from _knn_texts(each, depth + 1)


def read_found(result: Any, call: Call) -> Response:
    """Reads what ``query`` and ``search`` return: columns, one list a query in each."""
    batches = result.get("ids") or []
    rows = sum(len(batch) for batch in batches)
    return _database.found(_documents(result, batches, call.wants_content), rows, call.wants_content)


def _documents(result: Any, batches: Any, wants_content: bool) -> Iterator[dict[str, Any]]:
    columns = [("distance", result.get("distances")), ("score", result.get("scores"))]
    if wants_content:
        columns += [("content", result.get("documents")), ("metadata", result.get("metadatas"))]
        columns.append(("uri", result.get("uris")))
    for query, ids in enumerate(batches):
        for row, record_id in enumerate(ids):
            document: dict[str, Any] = {"id": record_id}
            if len(batches) > 1:
                document["query"] = query
            for name, column in columns:
                values = column[query] if column else None
                value = values[row] if values else None
                if value is not None:
                    document[name] = _database.fresh(value) if name == "metadata" else value
            yield document


def read_get(call: Call) -> Request:
    """Reads the arguments of ``Collection.get``: records by id or by filter."""
    request = _request(call, "get")
    ids = argument(call, "ids", 0)
    if ids is not None:
        _database.add_records(request, len(_one_or_many(ids)))
    return request


def read_got(result: Any, call: Call) -> Response:
    """Reads what ``Collection.get`` returns: columns of records."""
    nested = {name: [column] for name, column in result.items() if isinstance(column, list)}
    return read_found(nested, call)


def _read_write(operation: str) -> Any:
    def read_request(call: Call) -> Request:
        request = _request(call, operation)
        ids = argument(call, "ids", 0)
        if ids is not None:
            _database.add_records(request, len(_one_or_many(ids)))
        vectors = argument(call, "embeddings", 1) if operation != "delete" else None
        if vectors is not None:
            _database.add_sizes(request, dimension=shape_of(vectors)[1])
        return request

    return read_request


def read_written(result: Any, call: Call) -> Response:
    """Reads the answer of a write, which tells nothing, but for the number of deleted records."""
    deleted = result.get("deleted") if isinstance(result, dict) else None
    return Response(attributes={semconv.DB_RECORD_COUNT: deleted} if isinstance(deleted, int) else {})


_accepts = _database.outermost(SYSTEM)
_READERS = {
    "query": Reader(read_query, read_found, accepts=_accepts, is_fresh=True),
    "search": Reader(read_search, read_found, accepts=_accepts, is_fresh=True),
    "get": Reader(read_get, read_got, accepts=_accepts, is_fresh=True),
    **{
        name: Reader(_read_write(name), read_written, accepts=_accepts, is_fresh=True)
        for name in ("add", "upsert", "update", "delete")
    },
}

INTEGRATION = Integration(
    name="chromadb",
    module="chromadb",
    distribution="chromadb",
    versions=">=0.5.23,<2",
    targets=(
        *_database.targets(SYSTEM, "chromadb.api.models.Collection", "Collection", _READERS),
        *_database.targets(SYSTEM, "chromadb.api.models.AsyncCollection", "AsyncCollection", _READERS),
    ),
    operations=(semconv.OP_RETRIEVAL, "get", "add", "upsert", "update", "delete"),
    captures="query texts, number of results, ids, distances, texts and metadata of what was found; "
    "numbers of records written",
)
