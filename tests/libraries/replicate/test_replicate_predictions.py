"""The real ``replicate`` client against a loopback server: recorded predictions, and made up ones."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cassettes import load
from span_memory import SpanMemory, traced

pytest.importorskip("replicate", reason="not installed: pip install 'spanwise[test-libraries]'")
import replicate
from replicate.exceptions import ModelError, ReplicateError

LIBRARIES = ("replicate",)
WORDS = ["Grüße", " ", "☀", "!"]
MODEL = "meta/llama"


def prediction(status: str, **more: Any) -> dict[str, Any]:
    urls = {"get": "unused", "cancel": "unused"}
    base = {"id": "p1", "model": MODEL, "version": "v1", "input": {}, "logs": "", "error": None, "urls": urls}
    return base | {"status": status} | more


DONE = prediction(
    "succeeded", output=WORDS, metrics={"input_token_count": 12, "output_token_count": 4, "predict_time": 0.1}
)


class Server:
    """Answers each request with the next of what is waiting at its method and path, the last for good."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, bytes, str]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def put(self, where: str, *answers: Any, status: int = 200, kind: str = "application/json") -> None:
        made = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in answers]
        self.answers[where] = [(status, body, kind) for body in made]

    def put_stream(self, *, breaks: bool = False) -> None:
        self.put(
            f"POST /v1/models/{MODEL}/predictions",
            prediction("starting", urls={"stream": f"{self.url}/stream"}),
            status=201,
        )
        events = [f"event: output\nid: {n}\ndata: {word}\n\n" for n, word in enumerate(WORDS)]
        end = "event: error\nid: 9\ndata: out of memory\n\n" if breaks else "event: done\nid: 9\ndata: {}\n\n"
        self.put("GET /stream", "".join([*events, end]).encode(), kind="text/event-stream")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Server

    def log_message(self, *args: Any) -> None:
        """Keeps test output quiet."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        waiting = self.owner.answers.get(f"{self.command} {self.path}", [(599, b"{}", "application/json")])
        status, body, kind = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def client(server: Server) -> Any:
    made = replicate.Client(api_token="k", base_url=server.url)
    made.poll_interval = 0.001
    return made


def run(client: Any, way: str, ref: str = MODEL, **form: Any) -> Any:
    if way == "sync":
        found = client.run(ref, input=form)
        return list(found) if hasattr(found, "__next__") else found

    async def ask() -> Any:
        found = await client.async_run(ref, input=form)
        return [each async for each in found] if hasattr(found, "__anext__") else found

    return asyncio.run(ask())


def stream(client: Any, way: str, **form: Any) -> list[str]:
    if way == "sync":
        return [str(event) for event in client.stream(MODEL, input=form)]

    async def ask() -> list[str]:
        return [str(event) async for event in await client.async_stream(MODEL, input=form)]

    return asyncio.run(ask())


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
def test_run_is_one_span_however_often_it_asks(
    memory: SpanMemory, server: Server, client: Any, way: str
) -> None:
    server.put(f"POST /v1/models/{MODEL}/predictions", prediction("starting"), status=201)
    server.put("GET /v1/predictions/p1", prediction("processing"), prediction("processing"), DONE)
    form = {"prompt": "Hello?", "system_prompt": "Be brief.", "temperature": 0.5, "max_new_tokens": 9}
    assert run(client, way, **form) == WORDS
    (span,) = memory.take()
    assert span["name"] == f"generate_content {MODEL}"
    assert (span["provider"], span["response_model"], span["finish_reasons"]) == (
        "replicate",
        MODEL,
        ["stop"],
    )
    assert (span["input_tokens"], span["output_tokens"]) == (12, 4)
    assert span["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}]
    assert span["system_instructions"] == [{"type": "text", "content": "Be brief."}]
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": "".join(WORDS)}]
    attributes = span["attributes"]
    assert attributes["gen_ai.response.id"] == "p1"
    assert attributes["gen_ai.request.temperature"] == 0.5
    assert attributes["gen_ai.request.max_tokens"] == 9
    assert (attributes["server.address"], span["status"]) == ("127.0.0.1", "unset")


@WAYS
def test_a_stream_holds_what_came(memory: SpanMemory, server: Server, client: Any, way: str) -> None:
    server.put_stream()
    assert "".join(stream(client, way, prompt="Hello?")) == "".join(WORDS)
    (span,) = memory.take()
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": "".join(WORDS)}]
    assert span["attributes"]["gen_ai.response.id"] == "p1"
    assert span["attributes"]["gen_ai.request.stream"] is True
    assert span["attributes"]["gen_ai.response.time_to_first_chunk"] > 0


@WAYS
def test_a_stream_that_breaks(memory: SpanMemory, server: Server, client: Any, way: str) -> None:
    server.put_stream(breaks=True)
    with pytest.raises(RuntimeError, match="out of memory"):
        stream(client, way, prompt="Hello?")
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "RuntimeError")
    assert span["output_messages"][0]["parts"][0]["content"] == "".join(WORDS)


def test_a_stream_that_is_dropped(memory: SpanMemory, server: Server, client: Any) -> None:
    server.put_stream()
    events = client.stream(MODEL, input={"prompt": "Hello?"})
    next(events)
    events.close()
    (span,) = memory.take()
    assert span["output_messages"][0]["parts"][0]["content"] == WORDS[0]
    assert span["attributes"]["spanwise.stream.incomplete"] is True


@WAYS
def test_a_model_that_fails(memory: SpanMemory, server: Server, client: Any, way: str) -> None:
    failed = prediction("failed", error="CUDA out of memory")
    server.put(f"POST /v1/models/{MODEL}/predictions", failed, status=201)
    with pytest.raises(ModelError, match="CUDA"):
        run(client, way, prompt="Hello?")
    (span,) = memory.take()
    assert (span["status"], span["error_type"]) == ("error", "replicate.exceptions.ModelError")
    assert (span["finish_reasons"], span["attributes"]["gen_ai.response.id"]) == (["error"], "p1")


@WAYS
def test_a_refusal(memory: SpanMemory, server: Server, client: Any, way: str) -> None:
    told = {"title": "Unauthenticated", "detail": "no token", "status": 401}
    server.put(f"POST /v1/models/{MODEL}/predictions", told, status=401)
    with pytest.raises(ReplicateError):
        run(client, way, prompt="Hello?")
    (span,) = memory.take()
    assert span["error_type"] == "replicate.exceptions.ReplicateError"
    assert span["attributes"]["http.response.status_code"] == 401


def test_a_prediction_by_hand_and_waiting_for_it(memory: SpanMemory, server: Server, client: Any) -> None:
    server.put(f"POST /v1/models/{MODEL}/predictions", prediction("starting"), status=201)
    server.put("GET /v1/predictions/p1", prediction("processing"), DONE)
    made = client.models.predictions.create(MODEL, input={"prompt": "Hello?"})
    made.wait()
    made.wait()
    created, waited = memory.take()
    assert (created["name"], waited["name"]) == (f"generate_content {MODEL}", f"fetch_response {MODEL}")
    assert created["input_messages"][0]["parts"][0]["content"] == "Hello?"
    assert (created["output_messages"], created["finish_reasons"]) == (None, None)
    assert waited["output_messages"][0]["parts"][0]["content"] == "".join(WORDS)
    assert created["attributes"]["gen_ai.response.id"] == waited["attributes"]["gen_ai.response.id"]


def test_no_content_where_it_is_off(server: Server, client: Any) -> None:
    server.put(f"POST /v1/models/{MODEL}/predictions", DONE, status=201)
    with traced(LIBRARIES, capture="NO_CONTENT") as memory:
        run(client, "sync", prompt="Hello?")
        assert len(memory.take()) == 1
        assert memory.content == {}


def test_the_recorded_run_of_an_image_model(memory: SpanMemory, server: Server, client: Any) -> None:
    exchanges = [each for each in load("replicate") if "ac732df83cea" in each.sent.decode() + each.path]
    polls = [each for each in load("replicate") if each.path.startswith("/v1/predictions/")]
    if not polls:
        pytest.skip("no recorded data (set SPANWISE_SHARED)")
    for each in exchanges:
        server.put(f"{each.method} {each.path}", each.body, status=each.status)
    server.put(f"GET {polls[0].path}", *(each.body for each in polls))
    last = json.loads(polls[-1].body)
    ref = f"{last['model']}:{last['version']}"
    assert [str(each) for each in run(client, "sync", ref, prompt="robots")] == last["output"]
    (span,) = memory.take()
    assert span["name"] == f"generate_content {last['model']}"
    assert span["attributes"]["spanwise.model.revision"] == last["version"]
    assert span["input_messages"][0]["parts"] == [{"type": "text", "content": "robots"}]
    (part,) = span["output_messages"][0]["parts"]
    assert (part["type"], part["modality"], part["uri"]) == ("uri", "image", last["output"][0])
