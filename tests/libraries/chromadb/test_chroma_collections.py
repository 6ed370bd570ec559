"""Chroma in this process, and its clients of a server against a loopback one."""

import asyncio
import importlib
import inspect
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cassettes import made_up
from loopback import Loopback
from span_memory import SpanMemory, traced

chromadb = pytest.importorskip(
    "chromadb", reason="chromadb is not installed: pip install 'spanwise[test-libraries]'"
)


LIBRARIES = ("chromadb",)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # chromadb's own, of its dependencies
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
DIRECTIONS = {"east": [1.0, 0.0], "north": [0.0, 1.0], "north-east": [0.7, 0.7]}


class Compass(chromadb.EmbeddingFunction):  # type: ignore[misc]
    """Embeds the name of a direction as its vector."""

    def __init__(self) -> None:
        pass

    def __call__(self, input: Any) -> Any:
        return [DIRECTIONS[text] for text in input]

    @staticmethod
    def name() -> str:
        return "compass"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Compass":
        return Compass()


@pytest.fixture
def collection(memory: SpanMemory) -> Iterator[Any]:
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.EphemeralClient(settings)
    name = f"places-{uuid.uuid4().hex[:8]}"
    made = client.create_collection(name, embedding_function=Compass(), metadata={"hnsw:space": "cosine"})
    made.add(ids=["e", "n", "ne"], documents=list(DIRECTIONS), metadatas=[{"rank": n} for n in (1, 2, 3)])
    memory.take()
    yield made
    client.delete_collection(name)


def test_a_query_by_text_is_a_retrieval(memory: SpanMemory, collection: Any) -> None:
    result = collection.query(query_texts=["east"], n_results=2)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert type(result) is dict
    assert (span["name"], span["operation"], span["provider"]) == (
        f"retrieval {collection.name}",
        "retrieval",
        "chroma",
    )
    assert attributes["db.system.name"] == "chroma"
    assert attributes["db.operation.name"] == "query"
    assert attributes["db.collection.name"] == attributes["gen_ai.data_source.id"] == collection.name
    assert attributes["db.namespace"] == "default_database"
    assert attributes["gen_ai.retrieval.top_k"] == 2
    assert attributes["gen_ai.retrieval.query.text"] == "east"
    assert attributes["spanwise.db.metric"] == "cosine"
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": i, "distance": d, "content": c, "metadata": m}
        for i, d, c, m in zip(
            result["ids"][0],
            result["distances"][0],
            result["documents"][0],
            result["metadatas"][0],
            strict=True,
        )
    ]


def test_a_query_by_vectors_tells_their_number_and_length(memory: SpanMemory, collection: Any) -> None:
    result = collection.query([[1.0, 0.1], [0.3, 1.0]], n_results=1, include=["distances"])
    attributes = memory.take()[0]["attributes"]
    assert attributes["db.operation.batch.size"] == 2
    assert attributes["spanwise.db.vector.dimension.count"] == 2
    assert "gen_ai.retrieval.query.text" not in attributes
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": result["ids"][query][0], "query": query, "distance": result["distances"][query][0]}
        for query in (0, 1)
    ]
    assert "content" not in attributes["gen_ai.retrieval.documents"][0]


def test_ten_results_are_asked_for_when_nothing_is_said(memory: SpanMemory, collection: Any) -> None:
    collection.query(query_texts="north")
    attributes = memory.take()[0]["attributes"]
    assert attributes["gen_ai.retrieval.top_k"] == 10
    assert attributes["db.response.returned_rows"] == 3


def test_records_fetched_and_written_are_operations(memory: SpanMemory, collection: Any) -> None:
    collection.get(ids=["e", "n"])
    collection.get(where={"rank": {"$gt": 1}}, limit=1)
    collection.upsert(ids="w", embeddings=[[-1.0, 0.0]], documents=["west"])
    collection.update(ids=["w"], metadatas=[{"rank": 4}])
    collection.delete(ids=["w"])
    spans = memory.take()
    assert [span["operation"] for span in spans] == ["get", "get", "upsert", "update", "delete"]
    assert [span["attributes"].get("spanwise.db.record.count") for span in spans] == [2, None, 1, 1, 1]
    assert [span["attributes"].get("db.response.returned_rows") for span in spans[:2]] == [2, 1]
    assert [each["content"] for each in spans[0]["attributes"]["gen_ai.retrieval.documents"]] == [
        "east",
        "north",
    ]
    assert not any("west" in str(span["attributes"]) for span in spans)


def test_an_error_passes_and_is_recorded(memory: SpanMemory, collection: Any) -> None:
    with pytest.raises(Exception, match="dimension"):
        collection.query([[1.0, 2.0, 3.0]])
    (span,) = memory.take()
    assert span["status"] == "error"


def test_without_content_no_text_is_kept() -> None:
    with traced(("chromadb",), capture=False) as memory:
        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
        made = client.create_collection(f"quiet-{uuid.uuid4().hex[:8]}", embedding_function=Compass())
        made.add(ids=["e"], documents=["east"], metadatas=[{"secret": "west"}])
        made.query(query_texts=["east"], n_results=1)
        span = memory.take()[-1]
        client.delete_collection(made.name)
    (document,) = span["attributes"]["gen_ai.retrieval.documents"]
    assert set(document) == {"id", "distance"}
    assert "east" not in str(span)
    assert "west" not in str(span)


# --- a server ---------------------------------------------------------------------------------------------

ANSWER = {
    "ids": [["a", "b"]],
    "distances": [[0.25, 0.5]],
    "documents": [["first", None]],
    "metadatas": [[{"page": 1}, None]],
    "embeddings": None,
    "uris": None,
    "include": ["distances", "documents", "metadatas"],
}


def served(url: str, kind: str) -> Any:
    """Returns a collection of a client for a server, without a server that would make one."""
    from chromadb.api.models.AsyncCollection import AsyncCollection
    from chromadb.api.models.Collection import Collection
    from chromadb.types import Collection as Model

    module, name = (
        ("chromadb.api.async_fastapi", "AsyncFastAPI")
        if kind == "async"
        else ("chromadb.api.fastapi", "FastAPI")
    )
    chroma_settings = chromadb.Settings(
        chroma_api_impl=f"{module}.{name}",
        chroma_server_host=url,
        chroma_server_http_port="80",
        anonymized_telemetry=False,
    )
    from chromadb.config import System

    client = System(chroma_settings).instance(__import__(module, fromlist=[name]).__dict__[name])
    fields = {
        "id": uuid.UUID(int=1),
        "name": "remote",
        "configuration_json": {},
        "serialized_schema": None,
        "metadata": {"hnsw:space": "l2"},
        "dimension": 2,
        "tenant": "default_tenant",
        "database": "default_database",
        "version": 0,
        "log_position": 0,
    }
    known = inspect.signature(Model.__init__).parameters  # older versions have fewer
    if "configuration" in known:
        fields["configuration"] = older_configuration()
    model = Model(**{name: value for name, value in fields.items() if name in known})
    owner = AsyncCollection if kind == "async" else Collection
    return owner(client=client, model=model, embedding_function=None)


def older_configuration() -> Any:
    """Returns what older versions want for a collection that is configured as usual."""
    try:
        module = importlib.import_module("chromadb.api.collection_configuration")
    except ModuleNotFoundError:
        return importlib.import_module("chromadb.api.configuration").CollectionConfigurationInternal()
    return module.load_collection_configuration_from_json({})


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_server_is_asked_once(memory: SpanMemory, loopback: Loopback, kind: str, status: int) -> None:
    path = f"/api/v2/tenants/default_tenant/databases/default_database/collections/{uuid.UUID(int=1)}/query"
    answer: Any = ANSWER if status == 200 else {"error": "InternalError", "message": "no"}
    url = loopback.put(made_up(f"chroma-{kind}-{status}", path, answer, status=status))
    remote = served(url, kind)
    error: BaseException | None = None
    try:
        result = remote.query(query_embeddings=[[0.1, 0.2]], n_results=2)
        if kind == "async":
            asyncio.run(result)
    except Exception as raised:  # noqa: BLE001
        error = raised
    (span,) = memory.take()
    attributes = span["attributes"]
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["server.port"] == int(loopback.url.rpartition(":")[2])
    if status == 200:
        assert error is None
        assert attributes["spanwise.db.metric"] == "l2"
        assert attributes["gen_ai.retrieval.documents"] == [
            {"id": "a", "distance": 0.25, "content": "first", "metadata": {"page": 1}},
            {"id": "b", "distance": 0.5},
        ]
    else:
        assert error is not None
        assert span["status"] == "error"


def test_the_texts_of_a_search_expression_are_its_query() -> None:
    from spanwise.integrations import chromadb as integration
    from spanwise.integrations._declaration import Call

    class Search:
        def to_dict(self) -> dict[str, Any]:
            knn = [{"$knn": {"query": text, "limit": 50}} for text in ("red", "blue")]
            return {"limit": {"limit": 7, "offset": 0}, "rank": {"$sum": [*knn, {"$val": 0.5}]}}

    class Collection:
        name = "colours"

    request = integration.read_search(Call(Collection(), (Search(),), {}, wants_content=True))
    assert request.content["gen_ai.retrieval.query.text"] == "red\nblue"
    assert request.attributes["gen_ai.retrieval.top_k"] == 7


def test_a_model_that_embeds_the_query_has_its_own_span_inside(loopback: Loopback) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'spanwise[test-sdk]'")
    data = [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    answer = {"object": "list", "model": "embedder", "data": data, "usage": usage}
    url = loopback.put(made_up("chroma-embeds", "/v1/embeddings", answer)) + "/v1"
    model = openai.OpenAI(base_url=url, api_key="k").embeddings

    class Remote(Compass):
        def __call__(self, input: Any) -> Any:
            made = model.create(model="embedder", input=input, encoding_format="float")
            return [each.embedding for each in made.data]

    with traced(("chromadb", "openai")) as memory:
        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
        made = client.create_collection(f"remote-{uuid.uuid4().hex[:8]}", embedding_function=Remote())
        made.add(ids=["e"], embeddings=[[1.0, 0.0]])
        memory.take()
        made.query(query_texts=["east"], n_results=1)
        spans = {span.name.partition(" ")[0]: span for span in memory.exporter.get_finished_spans()}
        client.delete_collection(made.name)
    assert set(spans) == {"embeddings", "retrieval"}
    assert spans["embeddings"].parent.span_id == spans["retrieval"].context.span_id
