"""``sentence-transformers``: embeddings and reranking by a model in this process.

Traced: ``encode`` of dense, sparse and multi-vector encoders (``encode_query`` and ``encode_document`` are
part of it), ``predict`` and ``rank`` of cross-encoders. Not traced: training, evaluation.
"""

from collections.abc import Mapping
from typing import Any

from spanwise import semconv
from spanwise.integrations._database import MAX_DOCUMENTS, argument
from spanwise.integrations._declaration import Call, Integration, Reader, Target
from spanwise.integrations._stainless_fields import as_count, as_text, given, items
from spanwise.integrations.transformers import model_name, revision_of
from spanwise.operation import Request, Response

PROVIDER = semconv.PROVIDER_HUGGINGFACE
_MAX_VECTORS = 512


def _request(call: Call, operation: str) -> Request:
    encoder = call.instance
    inner = _inner_model(encoder)
    card = getattr(encoder, "model_card_data", None)
    name = (
        as_text(getattr(card, "model_id", None))
        or as_text(getattr(card, "base_model", None))
        or model_name(inner)
    )
    request = Request(operation, PROVIDER, name)
    revision = as_text(getattr(card, "base_model_revision", None))
    request.attributes = given([(semconv.MODEL_REVISION, revision)]) or revision_of(inner)
    return request


def _inner_model(encoder: Any) -> Any:
    """Returns the transformers model at the start of an encoder; its first module knows it."""
    inner = getattr(encoder, "model", None)  # a cross-encoder's
    if inner is not None:
        return inner
    first = encoder[0]
    return getattr(first, "auto_model", None) or getattr(first, "model", first)


def read_encode(call: Call) -> Request:
    """Reads the arguments of ``encode``: one text or many."""
    request = _request(call, semconv.OP_EMBEDDINGS)
    given_texts = argument(call, "sentences", 0)
    given_texts = argument(call, "inputs") if given_texts is None else given_texts
    if call.wants_content and given_texts is not None:
        texts = [given_texts] if isinstance(given_texts, str) else list(given_texts)
        if all(isinstance(text, str) for text in texts):
            request.content[semconv.EMBEDDINGS_INPUT] = texts
    return request


def read_encoded(result: Any, call: Call) -> Response:
    """Reads how long the vectors are, of a tensor, an array or a list of these."""
    first = result[0] if isinstance(result, list | tuple) and result else result
    if isinstance(first, Mapping):
        first = first.get("sentence_embedding")
    shape = getattr(first, "shape", None)
    length = int(shape[-1]) if shape else None
    attributes = given([(semconv.EMBEDDINGS_DIMENSION_COUNT, length)])
    return Response(attributes=attributes, vectors=_vectors(result))


def _vectors(result: Any) -> list[Any] | None:
    """Returns the first vectors as rows of the result itself; those on another device are left there."""
    if isinstance(result, list):
        rows = result[:_MAX_VECTORS]
    else:
        shape = getattr(result, "shape", ())
        rows = [result] if len(shape) == 1 else list(result[:_MAX_VECTORS]) if len(shape) == 2 else []
    plain = [row for row in rows if getattr(row, "shape", None) is not None and len(row.shape) == 1]
    if any(getattr(getattr(row, "device", None), "type", "cpu") != "cpu" for row in plain[:1]):
        return None
    return plain or None


def read_rank(call: Call) -> Request:
    """Reads the arguments of ``CrossEncoder.rank``: a query and documents."""
    request = _request(call, semconv.OP_RERANK)
    documents = items(argument(call, "documents", 1))
    request.attributes |= given(
        [
            (semconv.RETRIEVAL_TOP_K, as_count(argument(call, "top_k", 2))),
            (semconv.RERANK_DOCUMENT_COUNT, len(documents) or None),
        ]
    )
    query = as_text(argument(call, "query", 0))
    if call.wants_content and query:
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = query
    return request


def read_ranked(result: Any, call: Call) -> Response:
    """Reads a ranking: places in the list of documents, with scores."""
    documents = items(argument(call, "documents", 1))
    ranked = []
    for each in items(result)[:MAX_DOCUMENTS]:
        place = int(each["corpus_id"])
        entry: dict[str, Any] = {"id": str(place), "index": place, "score": float(each["score"])}
        if call.wants_content and place < len(documents) and isinstance(documents[place], str):
            entry["content"] = documents[place]
        ranked.append(entry)
    return _documents(ranked, call)


def read_predict(call: Call) -> Request:
    """Reads the arguments of ``CrossEncoder.predict``: pairs of texts."""
    request = _request(call, semconv.OP_RERANK)
    pairs = _pairs(call)
    if pairs:
        request.attributes[semconv.RERANK_DOCUMENT_COUNT] = len(pairs)
    queries = {pair[0] for pair in pairs}
    if call.wants_content and len(queries) == 1:
        request.content[semconv.RETRIEVAL_QUERY_TEXT] = queries.pop()
    return request


def _pairs(call: Call) -> list[tuple[str, str]]:
    given_pairs = argument(call, "sentences", 0)
    given_pairs = items(argument(call, "inputs") if given_pairs is None else given_pairs)
    if len(given_pairs) == 2 and all(isinstance(each, str) for each in given_pairs):
        given_pairs = [given_pairs]
    pairs = [(each[0], each[1]) for each in given_pairs if len(items(each)) == 2]
    return [pair for pair in pairs if isinstance(pair[0], str) and isinstance(pair[1], str)]


def read_predicted(result: Any, call: Call) -> Response:
    """Reads scores, one a pair, in the order of the pairs."""
    values = result.tolist() if hasattr(result, "tolist") else result
    scores = list(values) if isinstance(values, list | tuple) else [values]
    pairs, entries = _pairs(call), []
    for place, score in enumerate(scores[:MAX_DOCUMENTS]):
        if not isinstance(score, int | float) and not hasattr(score, "item"):
            return Response()  # a score for each class: nothing is ranked
        entry: dict[str, Any] = {"id": str(place), "index": place, "score": float(score)}
        if call.wants_content and place < len(pairs):
            entry["content"] = pairs[place][1]
        entries.append(entry)
    return _documents(entries, call)


def _documents(entries: list[dict[str, Any]], call: Call) -> Response:
    response = Response()
    if entries:
        (response.content if call.wants_content else response.outline)[semconv.RETRIEVAL_DOCUMENTS] = entries
    return response


_ENCODE = Reader(read_encode, read_encoded, is_fresh=True)
_RANK = Reader(read_rank, read_ranked, is_fresh=True)
_PREDICT = Reader(read_predict, read_predicted, is_fresh=True)
_WHY = "every way to encode ends here"

INTEGRATION = Integration(
    name="sentence_transformers",
    module="sentence_transformers",
    distribution="sentence-transformers",
    versions=">=3.3.1,<7",
    targets=(
        Target(
            "sentence_transformers.sentence_transformer.model:SentenceTransformer.encode", _ENCODE, why=_WHY
        ),
        Target("sentence_transformers.sparse_encoder.model:SparseEncoder.encode", _ENCODE, why=_WHY),
        Target(
            "sentence_transformers.multi_vector_encoder.model:MultiVectorEncoder.encode", _ENCODE, why=_WHY
        ),
        Target("sentence_transformers.cross_encoder.model:CrossEncoder.rank", _RANK),
        Target("sentence_transformers.cross_encoder.model:CrossEncoder.predict", _PREDICT),
        # up to 5
        Target("sentence_transformers.SentenceTransformer:SentenceTransformer.encode", _ENCODE, why=_WHY),
        Target("sentence_transformers.sparse_encoder.SparseEncoder:SparseEncoder.encode", _ENCODE, why=_WHY),
        Target("sentence_transformers.cross_encoder.CrossEncoder:CrossEncoder.rank", _RANK),
        Target("sentence_transformers.cross_encoder.CrossEncoder:CrossEncoder.predict", _PREDICT),
    ),
    operations=(semconv.OP_EMBEDDINGS, semconv.OP_RERANK),
    captures="model and its revision on the Hub, texts, length of the vectors; of a ranking the query, "
    "documents and scores",
)
