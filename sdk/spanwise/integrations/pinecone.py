"""The ``pinecone`` client: indexes over HTTP and gRPC, sync and async, and its inference service.

Traced: query and search as retrievals, writes, fetches and deletes as operations of a database; embed and
rerank as model calls. ``query_namespaces`` is as many retrievals as it asks namespaces. Not traced: the
administration of indexes, assistants.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations import _database
from spanwise.integrations._database import argument, length_of
from spanwise.integrations._declaration import Call, Integration, Reader, Target
from spanwise.integrations._pinecone_inference import EMBED, RERANK, SYSTEM
from spanwise.integrations._stainless_fields import as_count
from spanwise.operation import Request, Response, Usage

READ_UNITS = "pinecone.usage.read_units"


def _request(call: Call, operation: str, *, is_search: bool = False) -> Request:
    host = _host_of(call.instance)
    request = _database.new_request(SYSTEM, operation, _index_name(host), is_search=is_search)
    namespace = argument(call, "namespace")
    if isinstance(namespace, str) and namespace:
        request.attributes[semconv.DB_NAMESPACE] = namespace
    _database.add_server(request, host)
    return request


def _host_of(index: Any) -> str | None:
    for name in ("_host", "host"):
        host = getattr(index, name, None)
        if isinstance(host, str) and host:
            return host if "//" in host else f"https://{host}"
    configuration = getattr(index, "_config", None) or getattr(index, "config", None)
    host = getattr(configuration, "host", None)
    return host if isinstance(host, str) else None


def _index_name(host: str | None) -> str | None:
    """Returns the index's name: the first label of its host, without the project's id at its end."""
    label = (host or "").partition("//")[2].partition(".")[0]
    name, _, project = label.rpartition("-")
    return name if name and project.isalnum() and ".pinecone.io" in (host or "") else None


def read_query(call: Call) -> Request:
    """Reads the arguments of ``Index.query``: a vector, or the id of a stored one."""
    request = _request(call, "query", is_search=True)
    vector = argument(call, "vector")
    dimension = None if vector is None else length_of(vector)
    _database.add_sizes(request, top_k=argument(call, "top_k"), dimension=dimension)
    return request


def read_search(call: Call) -> Request:
    """Reads the arguments of ``Index.search``, which is given texts, in one of two ways."""
    request = _request(call, "search", is_search=True)
    query = _mapping(argument(call, "query"))
    inputs = _mapping(argument(call, "inputs") or query.get("inputs"))
    _database.add_sizes(request, top_k=argument(call, "top_k") or query.get("top_k"))
    _database.add_queries(request, [inputs.get("text")], call.wants_content)
    rerank = _mapping(argument(call, "rerank"))
    model = rerank.get("model")
    if isinstance(model, str):
        request.attributes[semconv.RERANK_MODEL] = model
    return request


def read_document_search(call: Call) -> Request:
    """Reads the arguments of ``Index.documents.search``, which ranks by any number of clauses."""
    request = _request(call, "search", is_search=True)
    clauses = argument(call, "score_by") or ()
    texts = [_field(clause, name) for clause in clauses for name in ("query", "text", "query_text")]
    _database.add_sizes(request, top_k=argument(call, "top_k"))
    _database.add_queries(
        request, list(dict.fromkeys(text for text in texts if isinstance(text, str))), call.wants_content
    )
    return request


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _mapping(value: Any) -> Mapping[str, Any]:
    """Returns a value as a mapping; older clients have classes of their own that turn into one."""
    if isinstance(value, Mapping):
        return value
    as_dict = getattr(value, "as_dict", None) or getattr(value, "to_dict", None)
    return as_dict() if callable(as_dict) else {}


def read_found(result: Any, call: Call) -> Response:
    """Reads the matches of a query, the hits of a search, or the documents of a document search."""
    matches = _field(result, "matches")
    if matches is None:
        matches = _field(_field(result, "result"), "hits")
    if matches is None:  # an answer that is still to come, with ``async_req``
        return Response()
    response = _database.found(_documents(matches, call.wants_content), len(matches), call.wants_content)
    return _with_usage(response, result)


def _documents(matches: Any, wants_content: bool) -> Iterator[dict[str, Any]]:
    for match in matches:
        record_id = next(
            (found for name in ("id", "_id") if (found := _field(match, name)) is not None), None
        )
        score = next(
            (found for name in ("score", "_score") if (found := _field(match, name)) is not None), None
        )
        fields = next(
            (found for name in ("metadata", "fields", "_data") if (found := _field(match, name))), None
        )
        if fields is not None and wants_content:
            fields = {
                key: value
                for key, value in _mapping(fields).items()
                if key not in ("_id", "_score", "_values")
            }
        yield _database.record(record_id, fields, score, wants_content=wants_content)


def _with_usage(response: Response, result: Any) -> Response:
    usage = _field(result, "usage")
    if usage is None:
        return response
    units = as_count(_field(usage, "read_units"))
    if units is not None:
        response.attributes[READ_UNITS] = units
    tokens = as_count(_field(usage, "embed_total_tokens"))
    if tokens is not None:
        response.usage = Usage(input_tokens=tokens)
    return response


def read_fetch(call: Call) -> Request:
    """Reads the arguments of ``Index.fetch``: ids."""
    request = _request(call, "fetch")
    ids = argument(call, "ids", 0)
    _database.add_records(request, None if ids is None else length_of(ids))
    return request


def read_fetched(result: Any, call: Call) -> Response:
    """Reads the records that a fetch found, by id."""
    records = _field(result, "vectors") or _field(result, "documents") or {}
    found = _documents(records.values(), call.wants_content)
    return _with_usage(_database.found(found, len(records), call.wants_content), result)


def _read_write(operation: str, *names: str) -> Any:
    def read_request(call: Call) -> Request:
        request = _request(call, operation)
        records = next((found for name in names if (found := argument(call, name)) is not None), None)
        if records is None and call.args and not isinstance(call.args[0], str):
            records = call.args[0]
        count = None if records is None else length_of(records)
        _database.add_records(request, count)
        return request

    return read_request


def read_written(result: Any, call: Call) -> Response:
    """Reads how many records were written, where the answer tells."""
    counts = (
        as_count(_field(result, name)) for name in ("upserted_count", "record_count", "matched_records")
    )
    count = next((count for count in counts if count is not None), None)
    response = Response(attributes={} if count is None else {semconv.DB_RECORD_COUNT: count})
    return _with_usage(response, result)


_accepts = _database.outermost(SYSTEM)
_WRITES = {
    "upsert": Reader(
        _read_write("upsert", "vectors", "documents"), read_written, accepts=_accepts, is_fresh=True
    ),
    "update": Reader(_read_write("update", "documents"), read_written, accepts=_accepts, is_fresh=True),
    "delete": Reader(_read_write("delete", "ids"), read_written, accepts=_accepts, is_fresh=True),
}
_INDEX = {
    "query": Reader(read_query, read_found, accepts=_accepts, is_fresh=True),
    "search": Reader(read_search, read_found, accepts=_accepts, is_fresh=True),
    "search_records": Reader(read_search, read_found, accepts=_accepts, is_fresh=True),
    "fetch": Reader(read_fetch, read_fetched, accepts=_accepts, is_fresh=True),
    "upsert_records": Reader(
        _read_write("upsert_records", "records"), read_written, accepts=_accepts, is_fresh=True
    ),
    "upsert_from_dataframe": Reader(
        _read_write("upsert_from_dataframe", "df"), read_written, accepts=_accepts
    ),
    **_WRITES,
}
_DOCUMENTS = {
    "search": Reader(read_document_search, read_found, accepts=_accepts, is_fresh=True),
    "fetch": Reader(read_fetch, read_fetched, accepts=_accepts, is_fresh=True),
    **_WRITES,
}
_INFERENCE = {"embed": EMBED, "rerank": RERANK}
_CLASSES = (
    ("pinecone.index", "Index", _INDEX),
    ("pinecone.grpc", "GrpcIndex", _INDEX),
    ("pinecone.async_client.async_index", "AsyncIndex", _INDEX),
    ("pinecone.client.documents", "Documents", _DOCUMENTS),
    ("pinecone.async_client.documents", "AsyncDocuments", _DOCUMENTS),
    ("pinecone.client.inference", "Inference", _INFERENCE),
    ("pinecone.async_client.inference", "AsyncInference", _INFERENCE),
    # up to 8
    ("pinecone.db_data.index", "Index", _INDEX),
    ("pinecone.db_data.index_asyncio", "_IndexAsyncio", _INDEX),
    ("pinecone.grpc.index_grpc", "GRPCIndex", _INDEX),
    ("pinecone.inference.inference", "Inference", _INFERENCE),
    ("pinecone.inference.inference_asyncio", "AsyncioInference", _INFERENCE),
)


def _targets() -> Iterator[Target]:
    for module, owner, readers in _CLASSES:
        yield from _database.targets(SYSTEM, module, owner, readers)


INTEGRATION = Integration(
    name="pinecone",
    module="pinecone",
    distribution="pinecone",
    versions=">=7.0.2,<11",
    targets=tuple(_targets()),
    operations=(
        semconv.OP_RETRIEVAL,
        "fetch",
        "upsert",
        "update",
        "delete",
        semconv.OP_EMBEDDINGS,
        semconv.OP_RERANK,
    ),
    captures="query texts, top k, ids, scores, texts and metadata of what was found; numbers of records "
    "written; read units and tokens; texts embedded and reranked",
)
