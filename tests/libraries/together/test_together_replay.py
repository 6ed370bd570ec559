"""Every recording of Together's API, replayed to the real client, comes out as one span with all it holds."""

from typing import Any

import pytest
from cassettes import NO_DATA, made_up
from comparison import differences
from loopback import Loopback
from recordings import Recording, load
from replay_server import ReplayServer
from span_memory import SpanMemory

together = pytest.importorskip(
    "together", reason="together is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("together",)
BASE = "" if int(together.__version__.partition(".")[0]) >= 3 else "/v1"
"""What an address has to end with: until 2.x the version of the API stood there."""
RECORDINGS = load("together-chat")
EACH = pytest.mark.parametrize(
    "recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none"
)


@pytest.fixture(scope="module")
def server():
    with ReplayServer(RECORDINGS).running() as running:
        yield running


def client_at(url: str, *, is_async: bool = False) -> Any:
    http = together.DefaultAsyncHttpxClient if is_async else together.DefaultHttpxClient
    kind = together.AsyncTogether if is_async else together.Together
    return kind(base_url=url + BASE, api_key="k", max_retries=0, http_client=http(verify=False))


@EACH
def test_sync_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    with client_at(f"{server.url}/{recording.key}") as client:
        answer = client.chat.completions.create(**recording.request)
        list(answer) if recording.is_stream else answer
    check(recording, memory)


@EACH
async def test_async_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    async with client_at(f"{server.url}/{recording.key}", is_async=True) as client:
        answer = await client.chat.completions.create(**recording.request)
        [chunk async for chunk in answer] if recording.is_stream else answer
    check(recording, memory)


def check(recording: Recording, memory: SpanMemory) -> None:
    spans = memory.take()
    assert len(spans) == 1
    assert differences(recording, spans[0]) == []
    assert spans[0]["provider"] == "together_ai"


def test_rerank(loopback: Loopback, memory: SpanMemory) -> None:
    results = [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "Bern"}},
        {"index": 0, "relevance_score": 0.25, "document": {"title": "Rome"}},
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    answer = {"id": "r1", "object": "rerank", "model": "rank-1", "results": results, "usage": usage}
    with client_at(loopback.put(made_up("rerank", "/v1/rerank", answer))) as client:
        client.rerank.create(model="rank", query="Swiss capital?", documents=["Rome", "Bern"], top_n=2)
    (span,) = memory.take()
    assert (span["name"], span["provider"], span["response_model"]) == (
        "rerank rank",
        "together_ai",
        "rank-1",
    )
    assert (span["input_tokens"], span["output_tokens"]) == (7, 0)
    assert span["attributes"]["gen_ai.retrieval.top_k"] == 2
    assert span["attributes"]["gen_ai.retrieval.query.text"] == "Swiss capital?"
    assert span["attributes"]["spanwise.input"] == ["Rome", "Bern"]
    assert span["attributes"]["gen_ai.retrieval.documents"] == [
        {"id": "1", "score": 0.9, "content": "Bern"},
        {"id": "0", "score": 0.25, "content": "Rome"},
    ]


def test_embeddings_and_completions(loopback: Loopback, memory: SpanMemory) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, 1, 2]}]
    url = loopback.put(made_up("emb", "/v1/embeddings", {"object": "list", "model": "e-1", "data": vectors}))
    with client_at(url) as client:
        client.embeddings.create(model="e", input="cat")
    choices = [{"text": " mat", "finish_reason": "eos", "seed": 1}]
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    done = {"id": "c", "object": "text_completion", "model": "t-1", "created": 1, "choices": choices}
    with client_at(loopback.put(made_up("done", "/v1/completions", done | {"usage": usage}))) as client:
        client.completions.create(model="t", prompt="The cat sat on the")
    embedded, completed = memory.take()
    assert (embedded["operation"], embedded["attributes"]["gen_ai.embeddings.dimension.count"]) == (
        "embeddings",
        3,
    )
    assert (completed["operation"], completed["finish_reasons"]) == ("text_completion", ["stop"])
    assert completed["input_messages"][0]["parts"] == [{"type": "text", "content": "The cat sat on the"}]
    assert completed["output_messages"][0]["parts"] == [{"type": "text", "content": " mat"}]
