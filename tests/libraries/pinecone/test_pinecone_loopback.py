"""Pinecone's clients, sync and async, against a loopback server: recorded answers and made-up ones."""

import asyncio
import importlib.util
import json
from typing import Any

import pytest
from cassettes import Exchange, load, made_up, params
from loopback import Loopback
from span_memory import SpanMemory, traced

pinecone = pytest.importorskip(
    "pinecone", reason="pinecone is not installed: pip install 'spanwise[test-libraries]'"
)


LIBRARIES = ("pinecone",)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # older clients of their own parts
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
BOTH = pytest.mark.parametrize("kind", ["sync", "async"])
RECORDED = [each for each in load("pinecone") if each.path == "/query"]
IS_NEW = importlib.util.find_spec("pinecone.async_client") is not None


def ask(kind: str, url: str, method: str, **arguments: Any) -> Any:
    """Calls a method of an index, and returns its result."""
    path = method.split(".")
    if kind == "sync":
        target: Any = pinecone.Pinecone(api_key="key").Index(host=url)
        for name in path:
            target = getattr(target, name)
        return target(**arguments)

    async def main() -> Any:
        async with pinecone.PineconeAsyncio(api_key="key") as client:
            index = client.IndexAsyncio(host=url)
            target: Any = index
            for name in path:
                target = getattr(target, name)
            try:
                return await target(**arguments)
            finally:
                await index.close()

    return asyncio.run(main())


@BOTH
@pytest.mark.parametrize("recorded", params(RECORDED))
def test_a_recorded_query(memory: SpanMemory, loopback: Loopback, kind: str, recorded: Exchange) -> None:
    body = recorded.request
    result = ask(
        kind,
        loopback.put(recorded),
        "query",
        vector=body["vector"],
        top_k=body["topK"],
        include_values=body["includeValues"],
        include_metadata=body["includeMetadata"],
    )
    (span,) = memory.take()
    attributes = span["attributes"]
    assert len(result.matches) == len(recorded.answer["matches"])
    assert (span["operation"], span["provider"], span["status"]) == ("retrieval", "pinecone", "unset")
    assert attributes["db.system.name"] == "pinecone"
    assert attributes["db.operation.name"] == "query"
    assert attributes["gen_ai.retrieval.top_k"] == body["topK"]
    assert attributes["spanwise.db.vector.dimension.count"] == len(body["vector"])
    assert attributes["pinecone.usage.read_units"] == recorded.answer["usage"]["readUnits"]
    assert attributes["server.port"] == int(loopback.url.rpartition(":")[2])
    expected = [
        {
            "id": match["id"],
            "score": match["score"],
            "content": match["metadata"]["text"],
            "metadata": {key: value for key, value in match["metadata"].items() if key != "text"},
        }
        for match in recorded.answer["matches"]
    ]
    assert attributes["gen_ai.retrieval.documents"] == expected
    assert str(recorded.answer["matches"][0]["values"][0]) not in json.dumps(attributes)


@BOTH
def test_a_search_by_text(memory: SpanMemory, loopback: Loopback, kind: str) -> None:
    hits = [{"_id": "r1", "_score": 0.5, "fields": {"chunk_text": "red", "page": 3}}]
    answer = {"result": {"hits": hits}, "usage": {"read_units": 6, "embed_total_tokens": 8}}
    exchange = made_up(f"pinecone-search-{kind}", "/records/namespaces/shop/search", answer)
    query = {"top_k": 4, "inputs": {"text": "something red"}}
    ask(kind, loopback.put(exchange), "search", namespace="shop", query=query)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert span["operation"] == "retrieval"
    assert attributes["db.namespace"] == "shop"
    assert attributes["gen_ai.retrieval.query.text"] == "something red"
    assert attributes["gen_ai.retrieval.top_k"] == 4
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": "r1", "score": 0.5, "content": "red", "metadata": {"page": 3}}
    ]
    assert span["input_tokens"] == 8
    assert attributes["pinecone.usage.read_units"] == 6


@BOTH
def test_writes_and_fetches_are_operations(memory: SpanMemory, loopback: Loopback, kind: str) -> None:
    record = {"id": "a", "values": [1.0, 2.0], "metadata": {"text": "kept back"}}
    upsert = made_up(f"pinecone-upsert-{kind}", "/vectors/upsert", {"upsertedCount": 1})
    delete = made_up(f"pinecone-delete-{kind}", "/vectors/delete", {})
    fetched = {"vectors": {"a": record}, "namespace": "n", "usage": {"readUnits": 1}}
    fetch = made_up(f"pinecone-fetch-{kind}", "/vectors/fetch", fetched, method="GET")
    ask(kind, loopback.put(upsert), "upsert", vectors=[record], namespace="n")
    ask(kind, loopback.put(fetch), "fetch", ids=["a", "b"], namespace="n")
    ask(kind, loopback.put(delete), "delete", ids=["a"], namespace="n")
    spans = memory.take()
    assert [span["operation"] for span in spans] == ["upsert", "fetch", "delete"]
    assert [span["attributes"]["spanwise.db.record.count"] for span in spans] == [1, 2, 1]
    assert [span["attributes"]["db.namespace"] for span in spans] == ["n"] * 3
    assert spans[1]["attributes"]["db.response.returned_rows"] == 1
    assert spans[1]["attributes"]["gen_ai.retrieval.documents"] == [{"id": "a", "content": "kept back"}]
    assert "kept back" not in str(spans[0])


@BOTH
@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_passes_and_is_recorded(
    memory: SpanMemory, loopback: Loopback, kind: str, status: int
) -> None:
    exchange = made_up(f"pinecone-{status}-{kind}", "/query", {"code": 5, "message": "no"}, status=status)
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask(kind, loopback.put(exchange), "query", vector=[0.5], top_k=1)
    (span,) = memory.take()
    assert span["status"] == "error"
    assert span["error_type"].rpartition(".")[2] == raised.type.__name__


@BOTH
def test_a_server_that_is_away_is_an_error(memory: SpanMemory, kind: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  each client has its own
        ask(kind, "http://127.0.0.1:9", "delete", ids=["a"])
    (span,) = memory.take()
    assert (span["status"], span["attributes"]["server.port"]) == ("error", 9)


def test_without_content_ids_and_scores_are_still_there(loopback: Loopback) -> None:
    answer = {"matches": [{"id": "a", "score": 0.5, "metadata": {"text": "hidden"}}], "namespace": ""}
    with traced(("pinecone",), capture=False) as memory:
        ask("sync", loopback.put(made_up("pinecone-quiet", "/query", answer)), "query", vector=[0.5], top_k=1)
        (span,) = memory.take()
    assert span["attributes"]["gen_ai.retrieval.documents"] == [{"id": "a", "score": 0.5}]


def test_an_index_is_named_after_its_host(memory: SpanMemory) -> None:
    from spanwise.integrations.pinecone import _index_name

    assert (
        _index_name("https://gen-qa-openai-fast-90c5d9e.svc.gcp-starter.pinecone.io") == "gen-qa-openai-fast"
    )
    assert _index_name("http://127.0.0.1:9") is None
    assert _index_name("https://proxy-x.example.com") is None


@pytest.mark.skipif(not IS_NEW, reason="before 10 there are no documents: nothing to test")
@BOTH
def test_a_document_search(memory: SpanMemory, loopback: Loopback, kind: str) -> None:
    documents = [{"_id": "d1", "_score": 0.25, "title": "Blue", "text": "blue words"}]
    answer = {"matches": documents, "namespace": "n", "usage": {"read_units": 2}}
    exchange = made_up(f"pinecone-documents-{kind}", "/namespaces/n/documents/search", answer)
    clause = {"type": "text", "field": "text", "query": "something blue"}
    ask(kind, loopback.put(exchange), "documents.search", namespace="n", score_by=[clause], top_k=5)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert attributes["gen_ai.retrieval.query.text"] == "something blue"
    assert attributes["gen_ai.retrieval.top_k"] == 5
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": "d1", "score": 0.25, "content": "blue words", "metadata": {"title": "Blue"}}
    ]


# --- inference --------------------------------------------------------------------------------------------


def infer(kind: str, url: str, method: str, *arguments: Any, **named: Any) -> Any:
    if kind == "sync":
        return getattr(pinecone.Pinecone(api_key="key", host=url).inference, method)(*arguments, **named)

    async def main() -> Any:
        async with pinecone.PineconeAsyncio(api_key="key", host=url) as client:
            return await getattr(client.inference, method)(*arguments, **named)

    return asyncio.run(main())


@BOTH
def test_embedding_texts(memory: SpanMemory, loopback: Loopback, kind: str) -> None:
    answer = {
        "model": "multilingual-e5-large",
        "vector_type": "dense",
        "data": [{"values": [0.1, 0.2, 0.3], "vector_type": "dense"}] * 2,
        "usage": {"total_tokens": 9},
    }
    url = loopback.put(made_up(f"pinecone-embed-{kind}", "/embed", answer))
    infer(kind, url, "embed", "multilingual-e5-large", ["a", "b"], {"input_type": "passage"})
    (span,) = memory.take()
    assert span["name"] == "embeddings multilingual-e5-large"
    assert (span["response_model"], span["input_tokens"]) == ("multilingual-e5-large", 9)
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 3
    assert span["attributes"]["spanwise.embeddings.input"] == ["a", "b"]
    assert span["attributes"]["server.address"] == "127.0.0.1"


@BOTH
def test_reranking_documents(memory: SpanMemory, loopback: Loopback, kind: str) -> None:
    answer = {
        "model": "bge-reranker-v2-m3",
        "data": [
            {"index": 1, "score": 0.9, "document": {"id": "y", "text": "two"}},
            {"index": 0, "score": 0.1},
        ],
        "usage": {"rerank_units": 1},
    }
    url = loopback.put(made_up(f"pinecone-rerank-{kind}", "/rerank", answer))
    documents = [{"id": "x", "text": "one"}, {"id": "y", "text": "two"}]
    infer(kind, url, "rerank", model="bge-reranker-v2-m3", query="which?", documents=documents, top_n=2)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert span["name"] == "rerank bge-reranker-v2-m3"
    assert attributes["gen_ai.retrieval.query.text"] == "which?"
    assert attributes["gen_ai.retrieval.top_k"] == 2
    assert attributes["pinecone.usage.rerank_units"] == 1
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": "y", "index": 1, "score": 0.9, "content": "two"},
        {"id": "x", "index": 0, "score": 0.1, "content": "one"},
    ]
