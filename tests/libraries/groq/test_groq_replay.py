"""Every recording of Groq's API, replayed to the real client, comes out as one span with all it holds."""

import inspect
import re
from typing import Any

import pytest
from cassettes import NO_DATA, made_up
from comparison import differences
from loopback import Loopback
from recordings import Recording, load
from replay_server import ReplayServer
from span_memory import SpanMemory

groq = pytest.importorskip("groq", reason="groq is not installed: pip install 'spanwise[test-libraries]'")
LIBRARIES = ("groq",)
RECORDINGS = load("groq-chat")
EACH = pytest.mark.parametrize(
    "recording", RECORDINGS or NO_DATA, ids=lambda each: each.key if each else "none"
)


@pytest.fixture(scope="module")
def server():
    with ReplayServer(RECORDINGS).running() as running:
        yield running


def client_of(recording: Recording, server: ReplayServer, *, is_async: bool) -> Any:
    http = groq.DefaultAsyncHttpxClient if is_async else groq.DefaultHttpxClient
    kind = groq.AsyncGroq if is_async else groq.Groq
    url = f"{server.url}/{recording.key}"
    return kind(base_url=url, api_key="k", max_retries=0, http_client=http(verify=False))


def arguments(recording: Recording) -> dict[str, Any]:
    """What the recorded body is in the client's words; what this client does not know goes as it is."""
    body = dict(recording.request)
    known = inspect.signature(groq.resources.chat.Completions.create).parameters
    further = {name: body.pop(name) for name in list(body) if name not in known}
    return body | {"extra_body": further or None}


@EACH
def test_sync_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    error = None
    with client_of(recording, server, is_async=False) as client:
        try:
            answer = client.chat.completions.create(**arguments(recording))
            list(answer) if recording.is_stream else answer
        except groq.APIError as raised:
            error = raised
    check(recording, memory, error)


@EACH
async def test_async_call_is_recorded(recording: Recording, server: ReplayServer, memory: SpanMemory) -> None:
    error = None
    async with client_of(recording, server, is_async=True) as client:
        try:
            answer = await client.chat.completions.create(**arguments(recording))
            [chunk async for chunk in answer] if recording.is_stream else answer
        except groq.APIError as raised:
            error = raised
    check(recording, memory, error)


def check(recording: Recording, memory: SpanMemory, error: Any) -> None:
    assert getattr(error, "status_code", 200) == recording.status
    spans = memory.take()
    assert len(spans) == 1
    assert differences(recording, spans[0]) == []
    assert spans[0]["provider"] == "groq"
    told = re.search(r'"queue_time":\s*([0-9.e-]+)', recording.answer)
    recorded = spans[0]["attributes"].get("spanwise.server.duration.queue")
    assert recorded == (float(told[1]) if told else None)


def test_groqs_own_parts_of_a_call_are_read(loopback: Loopback, memory: SpanMemory) -> None:
    """An embedding: the newest endpoint that the client has beside chat."""
    if not hasattr(groq.Groq, "embeddings") and "embeddings" not in groq.Groq.__annotations__:
        pytest.skip("this groq has no embeddings: spanwise[test-models]")
    answer = {
        "object": "list",
        "model": "e-1",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1]}],
    }
    url = loopback.put(
        made_up("emb", "/openai/v1/embeddings", answer | {"usage": {"prompt_tokens": 3, "total_tokens": 3}})
    )
    with groq.Groq(base_url=url, api_key="k", http_client=groq.DefaultHttpxClient(verify=False)) as client:
        client.embeddings.create(model="e", input="cat")
    (span,) = memory.take()
    assert (span["operation"], span["provider"], span["response_model"]) == ("embeddings", "groq", "e-1")
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 2
    assert span["attributes"]["spanwise.embeddings.input"] == ["cat"]
    assert span["input_tokens"] == 3
