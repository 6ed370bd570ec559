"""FAISS (``faiss-cpu``, ``faiss-gpu``): every kind of index, in this process.

Traced: searches as retrievals, with the ids and distances that came back; writes, removals and
reconstructions as operations of a database. FAISS replaces methods of its generated classes as it is
imported, some in a class and some in its ancestors, so its classes are looked through rather than listed.
An index has no name and a search no text: the shape of the index stands for the name.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from spanwise import semconv
from spanwise.content import JsonText
from spanwise.integrations import _database
from spanwise.integrations._declaration import Call, Integration, Reader, Target
from spanwise.integrations._engine import wrapper_for
from spanwise.integrations._patch import Patch, apply
from spanwise.operation import AttributeValue, Request, Response

SYSTEM = "faiss"
_METRICS = ("inner_product", "l2", "l1", "linf", "lp")
_FURTHER_METRICS = {20: "canberra", 21: "bray_curtis", 22: "jensen_shannon", 23: "jaccard"}
_SIMILARITIES = frozenset({"inner_product", "jaccard"})
_NOT_FINITE = re.compile(r"-?(?:inf|nan)")
_NO_RESULT = -1
"""The id that FAISS fills up with where it found less than was asked for."""


def _request(call: Call, operation: str, *, is_search: bool = False) -> Request:
    index = call.instance
    kind = type(index).__name__
    attributes: dict[str, AttributeValue] = {
        semconv.DB_SYSTEM_NAME: SYSTEM,
        semconv.DB_OPERATION_NAME: operation,
        semconv.DB_COLLECTION_NAME: kind,
        semconv.DB_VECTOR_COUNT: index.ntotal,
        semconv.DB_VECTOR_DIMENSION_COUNT: index.d,
        semconv.DB_METRIC: _metric_of(index),
    }
    return Request(
        semconv.OP_RETRIEVAL if is_search else operation,
        SYSTEM,
        attributes=attributes,
        subject=kind,
        contains_calls=True,
    )


def _metric_of(index: Any) -> str:
    if "Binary" in type(index).__name__:
        return "hamming"
    number = index.metric_type
    return _METRICS[number] if number < len(_METRICS) else _FURTHER_METRICS.get(number, str(number))


def _key_of(request: Request) -> str:
    """Returns what the numbers that come back are: scores, or distances, of which the least is the best."""
    return "score" if request.attributes[semconv.DB_METRIC] in _SIMILARITIES else "distance"


def _add_queries(request: Request, call: Call) -> None:
    count, _ = _database.shape_of(call.args[0] if call.args else call.kwargs["x"])
    if count is not None and count > 1:
        request.attributes[semconv.DB_OPERATION_BATCH_SIZE] = count


def _read_search(operation: str) -> Callable[[Call], Request]:
    def read_request(call: Call) -> Request:
        request = _request(call, operation, is_search=True)
        _add_queries(request, call)
        k = call.args[1] if len(call.args) > 1 else call.kwargs["k"]
        request.attributes[semconv.RETRIEVAL_TOP_K] = int(k)
        call.memo = _key_of(request)
        return request

    return read_request


def read_range_search(call: Call) -> Request:
    """Reads the arguments of ``range_search``: everything nearer than a threshold."""
    request = _request(call, "range_search", is_search=True)
    _add_queries(request, call)
    threshold = call.args[1] if len(call.args) > 1 else call.kwargs["thresh"]
    request.attributes[semconv.DB_THRESHOLD] = float(threshold)
    call.memo = _key_of(request)
    return request


def read_nearest(result: Any, call: Call) -> Response:
    """Reads the distances and ids of ``search``: two arrays with a row a query. Few of them are looked at."""
    distances, ids = result[0], result[1]
    rows, width = ids.shape
    key = call.memo
    if rows == 1:
        found = [
            (i, d) for i, d in zip(ids[0].tolist(), distances[0].tolist(), strict=True) if i != _NO_RESULT
        ]
        kept = found[: _database.MAX_DOCUMENTS]
        return _response([f'{{"id":{i},"{key}":{d:.9g}}}' for i, d in kept], len(found), call)
    documents: list[str] = []
    for row in range(min(rows, _database.MAX_DOCUMENTS // width + 1) if width else 0):
        for i, d in zip(ids[row].tolist(), distances[row].tolist(), strict=True):
            if i != _NO_RESULT:
                documents.append(f'{{"id":{i},"{key}":{d:.9g},"query":{row}}}')
    return _response(documents, int((ids != _NO_RESULT).sum()), call)


def read_range(result: Any, call: Call) -> Response:
    """Reads the limits, distances and ids of ``range_search``: one stretch of each array a query."""
    limits, distances, ids = result
    key, most = call.memo, _database.MAX_DOCUMENTS
    bounds, numbers, values = limits[: most + 1].tolist(), ids[:most].tolist(), distances[:most].tolist()
    documents = [
        f'{{"id":{numbers[place]},"{key}":{values[place]:.9g},"query":{query}}}'
        for query, (start, end) in enumerate(pairwise(bounds))
        for place in range(start, min(end, most))
    ]
    return _response(documents, len(ids), call)


def _response(documents: list[str], returned: int, call: Call) -> Response:
    """Takes documents as JSON: a general copy of some numbers costs several times what the search does."""
    response = Response(attributes={semconv.DB_RESPONSE_RETURNED_ROWS: returned})
    if documents:
        text = JsonText("[" + ",".join(documents[: _database.MAX_DOCUMENTS]) + "]")
        if "inf" in text or "nan" in text:  # JSON has no words for them
            text = JsonText(_NOT_FINITE.sub("null", text))
        (response.content if call.wants_content else response.outline)[semconv.RETRIEVAL_DOCUMENTS] = text
    return response


def _read_write(operation: str) -> Callable[[Call], Request]:
    def read_request(call: Call) -> Request:
        request = _request(call, operation)
        count, _ = _database.shape_of(call.args[0] if call.args else call.kwargs.get("x"))
        _database.add_records(request, count)
        return request

    return read_request


def _read_plain(operation: str) -> Callable[[Call], Request]:
    return lambda call: _request(call, operation)


def read_removed(result: Any, call: Call) -> Response:
    """Reads what ``remove_ids`` returns: how many were there."""
    return Response(attributes={semconv.DB_RECORD_COUNT: int(result)})


def read_vectors(result: Any, call: Call) -> Response:
    """Reads how many vectors a reconstruction returned, and nothing of them."""
    count, _ = _database.shape_of(result)
    return Response(attributes={semconv.DB_RESPONSE_RETURNED_ROWS: count} if count is not None else {})


def _read_nothing(result: Any, call: Call) -> Response:
    return Response()


_accepts = _database.outermost(SYSTEM)
_READERS = {
    **{
        name: Reader(_read_search(name), read_nearest, accepts=_accepts)
        for name in ("search", "search_and_reconstruct", "search_preassigned")
    },
    "range_search": Reader(read_range_search, read_range, accepts=_accepts),
    **{
        name: Reader(_read_write(name), _read_nothing, accepts=_accepts)
        for name in ("add", "add_with_ids", "train")
    },
    "remove_ids": Reader(_read_plain("remove_ids"), read_removed, accepts=_accepts),
    **{
        name: Reader(_read_plain(name), read_vectors, accepts=_accepts)
        for name in ("reconstruct", "reconstruct_n", "reconstruct_batch")
    },
    "reset": Reader(_read_plain("reset"), _read_nothing, accepts=_accepts),
}


def listen(module: Any) -> Callable[[], None]:
    """Patches the methods of every index class where they stand; returns what takes the patches off again."""
    is_active = [True]
    patches: list[Patch] = []
    wrappers = {
        name: wrapper_for(INTEGRATION, Target(f"faiss:Index.{name}", reader), lambda: is_active[0])
        for name, reader in _READERS.items()
    }
    for kind in _index_classes(module):
        for name, wrapper in wrappers.items():
            if name in vars(kind):
                patches.append(apply(kind, name, wrapper))

    def undo() -> None:
        is_active[0] = False
        for patch in patches:
            patch.remove()

    return undo


def _index_classes(module: Any) -> Iterator[type]:
    """Yields every index class once, also those that the application made of them."""
    waiting, seen = [module.Index, module.IndexBinary], set()
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += kind.__subclasses__()
            if kind.__module__.startswith("faiss"):
                yield kind


INTEGRATION = Integration(
    name="faiss",
    module="faiss",
    distribution="faiss-cpu",
    versions=">=1.8,<2",
    listen=listen,
    operations=(semconv.OP_RETRIEVAL, "add", "add_with_ids", "train", "remove_ids", "reconstruct", "reset"),
    captures="kind, size, dimension and metric of the index; k, number of queries; ids and distances",
)
