"""Qdrant in memory, sync and async, and its clients of a server against a loopback one."""

import asyncio
import importlib
import inspect
from typing import Any

import pytest
from cassettes import made_up
from loopback import Loopback
from span_memory import SpanMemory, traced

qdrant_client = pytest.importorskip(
    "qdrant_client", reason="qdrant-client is not installed: pip install 'spanwise[test-libraries]'"
)

QdrantClient, AsyncQdrantClient = qdrant_client.QdrantClient, qdrant_client.AsyncQdrantClient
models = importlib.import_module("qdrant_client.models")

LIBRARIES = ("qdrant",)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Failed to obtain server version"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # methods that were renamed, still in use
]
BOTH = pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])


def run(result: Any) -> Any:
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def filled(kind: Any) -> Any:
    client = kind(":memory:")
    vectors = models.VectorParams(size=2, distance=models.Distance.COSINE)
    run(client.create_collection("places", vectors_config=vectors))
    points = [
        models.PointStruct(id=n, vector=[float(n), 1.0], payload={"text": f"place {n}", "rank": n})
        for n in (1, 2, 3)
    ]
    run(client.upsert("places", points=points))
    return client


@BOTH
def test_a_query_is_one_retrieval(memory: SpanMemory, kind: Any) -> None:
    client = filled(kind)
    memory.take()
    result = run(client.query_points("places", query=[1.0, 1.0], limit=2))
    (span,) = memory.take()
    attributes = span["attributes"]
    assert (span["name"], span["operation"], span["provider"]) == ("retrieval places", "retrieval", "qdrant")
    assert attributes["db.system.name"] == "qdrant"
    assert attributes["db.operation.name"] == "query_points"
    assert attributes["db.collection.name"] == attributes["gen_ai.data_source.id"] == "places"
    assert attributes["gen_ai.retrieval.top_k"] == 2
    assert attributes["spanwise.db.vector.dimension.count"] == 2
    assert attributes["gen_ai.retrieval.documents"] == [
        {"id": p.id, "score": p.score, "content": f"place {p.id}", "metadata": {"rank": p.id}}
        for p in result.points
    ]


def test_every_form_of_query_tells_its_limit_and_results(memory: SpanMemory) -> None:
    client = filled(QdrantClient)
    memory.take()
    client.query_points("places", query=models.NearestQuery(nearest=[1.0, 1.0]))
    client.query_points("places", query=2, limit=1)
    recommended = models.RecommendQuery(recommend=models.RecommendInput(positive=[1]))
    client.query_points("places", query=recommended)
    client.query_points_groups("places", group_by="rank", query=[1.0, 1.0], limit=3)
    nearest, by_id, recommend, groups = (span["attributes"] for span in memory.take())
    assert nearest["gen_ai.retrieval.top_k"] == 10
    assert nearest["spanwise.db.vector.dimension.count"] == 2
    assert [each["id"] for each in by_id["gen_ai.retrieval.documents"]] == [3]
    assert "spanwise.db.vector.dimension.count" not in by_id
    assert {each["id"] for each in recommend["gen_ai.retrieval.documents"]} == {2, 3}
    assert groups["db.response.returned_rows"] == 3


def test_a_batch_says_which_query_found_what(memory: SpanMemory) -> None:
    client = filled(QdrantClient)
    memory.take()
    requests = [
        models.QueryRequest(query=[1.0, x], limit=n, with_payload=True) for x, n in ((0.0, 1), (1.0, 2))
    ]
    answers = client.query_batch_points("places", requests=requests)
    attributes = memory.take()[0]["attributes"]
    assert attributes["db.operation.batch.size"] == 2
    assert attributes["gen_ai.retrieval.top_k"] == 2
    assert [(each["query"], each["id"]) for each in attributes["gen_ai.retrieval.documents"]] == [
        (number, point.id) for number, answer in enumerate(answers) for point in answer.points
    ]


@BOTH
def test_points_fetched_and_written_are_operations(memory: SpanMemory, kind: Any) -> None:
    client = filled(kind)
    run(client.scroll("places", limit=2))
    run(client.retrieve("places", ids=[1, 2, 3]))
    run(client.set_payload("places", payload={"seen": True}, points=[1, 2]))
    run(client.delete("places", points_selector=models.PointIdsList(points=[1])))
    spans = memory.take()
    assert [span["operation"] for span in spans] == ["upsert", "scroll", "retrieve", "set_payload", "delete"]
    assert [span["attributes"].get("spanwise.db.record.count") for span in spans] == [3, None, 3, 2, 1]
    assert [span["attributes"].get("db.response.returned_rows") for span in spans[1:3]] == [2, 3]
    assert spans[0]["attributes"]["db.response.status_code"] == "completed"
    assert "place 1" not in str(spans[0])


def test_an_upload_of_an_iterator_is_not_read_by_us(memory: SpanMemory) -> None:
    client = filled(QdrantClient)
    memory.take()
    client.upload_points("places", (models.PointStruct(id=n, vector=[1.0, 1.0]) for n in (7, 8)))
    (span,) = memory.take()
    assert span["operation"] == "upload_points"
    assert "spanwise.db.record.count" not in span["attributes"]
    assert client.count("places").count == 5


@BOTH
def test_an_error_passes_and_is_recorded(memory: SpanMemory, kind: Any) -> None:
    client = kind(":memory:")
    with pytest.raises(ValueError, match="nowhere"):
        run(client.query_points("nowhere", query=[1.0]))
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "ValueError")
    assert span["attributes"]["db.collection.name"] == "nowhere"


def test_without_content_no_payload_is_kept() -> None:
    with traced(("qdrant",), capture=False) as memory:
        filled(QdrantClient).query_points("places", query=[1.0, 1.0])
        span = memory.take()[-1]
    assert [set(each) for each in span["attributes"]["gen_ai.retrieval.documents"]] == [{"id", "score"}] * 3
    assert "place" not in str(span["attributes"]["gen_ai.retrieval.documents"])


# --- a server ---------------------------------------------------------------------------------------------

POINT = {
    "id": "6fa459ea-ee8a-3ca4-894e-db77e160355e",
    "version": 3,
    "score": 0.5,
    "payload": {"text": "found"},
}


@BOTH
@pytest.mark.parametrize("status", [200, 404])
def test_a_server_embeds_the_text_that_is_asked(
    memory: SpanMemory, loopback: Loopback, kind: Any, status: int
) -> None:
    answer: Any = {"result": {"points": [POINT]}, "status": "ok", "time": 0.1}
    if status != 200:
        answer = {"status": {"error": "Not found"}, "time": 0.1}
    key = f"qdrant-{kind.__name__}-{status}"
    loopback.put(made_up(key, "/collections/places/points/query", answer, status=status))
    headers = {"x-exchange": key}
    client = kind(url=loopback.url, metadata=headers, cloud_inference=True, check_compatibility=False)
    error: BaseException | None = None
    try:
        query = models.Document(text="what is near?", model="some-model")
        run(client.query_points("places", query=query, limit=4))
    except Exception as raised:  # noqa: BLE001
        error = raised
    (span,) = memory.take()
    attributes = span["attributes"]
    assert attributes["gen_ai.retrieval.query.text"] == "what is near?"
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["server.port"] == int(loopback.url.rpartition(":")[2])
    if status == 200:
        assert error is None
        assert attributes["gen_ai.retrieval.documents"] == [
            {"id": POINT["id"], "score": 0.5, "content": "found"}
        ]
    else:
        assert type(error).__name__ == "UnexpectedResponse"
        assert span["status"] == "error"


@BOTH
def test_a_server_that_is_away_is_an_error(memory: SpanMemory, kind: Any) -> None:
    client = kind(url="http://127.0.0.1:9", check_compatibility=False)
    with pytest.raises(Exception, match="onnect"):
        run(client.query_points("places", query=[1.0, 1.0]))
    (span,) = memory.take()
    assert (span["status"], span["attributes"]["server.port"]) == ("error", 9)


async def test_a_cancelled_query_is_an_error(memory: SpanMemory, loopback: Loopback) -> None:
    exchange = made_up("qdrant-held", "/collections/places/points/query", {"result": {}}, hold_after=2)
    loopback.put(exchange)
    headers = {"x-exchange": exchange.key}
    client = AsyncQdrantClient(url=loopback.url, metadata=headers, check_compatibility=False)
    task = asyncio.ensure_future(client.query_points("places", query=[1.0, 1.0]))
    await asyncio.to_thread(loopback.wait_held)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loopback.release()
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "asyncio.exceptions.CancelledError")


def test_the_search_of_older_clients_is_a_retrieval_too() -> None:
    from spanwise.integrations import qdrant as integration
    from spanwise.integrations._declaration import Call

    point = models.ScoredPoint(id=4, version=0, score=0.75, payload={"text": "old"})
    reader = integration._READERS["search"]
    call = Call(object(), ("places", ("named", [1.0, 2.0, 3.0])), {"limit": 6}, wants_content=True)
    request, response = reader.read_request(call), reader.read_response([point], call)
    assert request.operation == "retrieval"
    assert request.attributes["gen_ai.retrieval.top_k"] == 6
    assert request.attributes["spanwise.db.vector.dimension.count"] == 3
    assert response.content["gen_ai.retrieval.documents"] == [{"id": 4, "score": 0.75, "content": "old"}]
