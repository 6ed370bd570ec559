"""``spanwise.private()``: not one byte of content reaches the endpoint, whoever makes the spans."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import spanwise
from spanwise import runtime

SECRET = "pink elephants"
ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SECRET}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """An app's own TracerProvider as the global one, for this test."""
    made = TracerProvider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


@pytest.fixture
def on(sink: Any, provider: TracerProvider) -> Any:
    spanwise.instrument("openai", endpoint=sink.url)
    yield
    spanwise.uninstrument()
    assert runtime.current() is None


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def ask(url: str) -> None:
    client_of(url).chat.completions.create(model="m", messages=[{"role": "user", "content": SECRET}])


def everything(url: str, peer: trace.Tracer) -> None:
    """Calls, steps, errors and spans of another instrumentor, all of them full of content."""
    ask(url)

    @spanwise.tool
    def look_up(what: str) -> str:
        """Looks something up."""
        return what

    look_up(SECRET)
    with spanwise.prompt("p", variables={"q": SECRET}), spanwise.span("chat", operation="chat") as step:
        step.set_input(SECRET)
        step.set_output([SECRET])
    with pytest.raises(ValueError, match=SECRET), spanwise.span("fails"):
        raise ValueError(SECRET)
    attributes = {
        "gen_ai.system": "peer",
        "gen_ai.prompt.0.content": SECRET,
        "input.value": SECRET,
        "llm.input_messages.0.message.content": SECRET,
        "something.unheard.of": [SECRET],
        "gen_ai.usage.input_tokens": 12,
    }
    with peer.start_as_current_span("peer call", attributes=attributes) as span:
        span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": SECRET})
        span.set_attribute("gen_ai.completion.0.content", SECRET)
        span.record_exception(ValueError(SECRET))
        span.set_status(trace.StatusCode.ERROR, SECRET)
    spanwise.score("x", 1, comment=SECRET, trace=step)


def bodies(sink: Any) -> bytes:
    assert spanwise.flush()
    return b"".join(received.body for received in sink.received if "chat" not in received.path)


@pytest.fixture
def model(new_sink: Any, reply: Any) -> Any:
    import json

    server = new_sink()
    server.replies = [reply(200, {"content-type": "application/json"}, json.dumps(ANSWER).encode())]
    return server


def test_the_same_without_private_records_it(sink: Any, on: None, model: Any, provider: Any) -> None:
    everything(model.url, provider.get_tracer("peer"))
    assert bodies(sink).count(SECRET.encode()) > 10


@pytest.mark.parametrize("capture", ["spanwise", "span_only", "span_and_event"])
def test_no_byte_of_content_in_a_private_block(
    sink: Any, model: Any, provider: TracerProvider, capture: str
) -> None:
    spanwise.instrument("openai", endpoint=sink.url, capture=capture)
    try:
        with spanwise.private():
            everything(model.url, provider.get_tracer("peer"))
        body = bodies(sink)
    finally:
        spanwise.uninstrument()
    assert SECRET.encode() not in body
    assert b"elephants" not in body
    spans = {span["name"]: span["attributes"] for span in sink.spans}
    assert spans["chat m"]["gen_ai.usage.output_tokens"] == 4, "what is no content is still recorded"
    assert spans["execute_tool look_up"]["gen_ai.tool.name"] == "look_up"
    assert spans["fails"]["error.type"] == "ValueError"
    assert spans["peer call"] == {"gen_ai.system": "peer", "gen_ai.usage.input_tokens": 12}


def test_threads_executors_and_tasks_are_private_too(sink: Any, on: None, model: Any) -> None:
    @spanwise.private()
    def in_threads() -> None:
        thread = threading.Thread(target=ask, args=(model.url,))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(ask, model.url).result()

    @spanwise.private()
    async def in_tasks() -> None:
        async with openai.AsyncOpenAI(base_url=f"{model.url}/v1", api_key="k", max_retries=0) as client:
            said = [{"role": "user", "content": SECRET}]
            await asyncio.gather(
                *(client.chat.completions.create(model="m", messages=said) for _ in range(3))
            )

    in_threads()
    asyncio.run(in_tasks())
    body = bodies(sink)
    assert SECRET.encode() not in body
    assert len([name for name in sink.names if name == "chat m"]) == 5


def test_what_comes_after_the_block_is_recorded_again(sink: Any, on: None, model: Any) -> None:
    with spanwise.private():
        ask(model.url)
    assert SECRET.encode() not in bodies(sink)
    ask(model.url)
    assert SECRET.encode() in bodies(sink)


def test_a_span_below_a_private_one_is_private_whatever_its_context_says(
    sink: Any, on: None, provider: TracerProvider
) -> None:
    peer = provider.get_tracer("peer")
    with spanwise.private():
        parent = peer.start_span("parent", attributes={"gen_ai.prompt": SECRET})
    bare = trace.set_span_in_context(parent, trace.context_api.Context())
    peer.start_span("child", context=bare, attributes={"gen_ai.prompt": SECRET}).end()
    parent.end()
    assert SECRET.encode() not in bodies(sink)
    assert sink.names == ["child", "parent"]
