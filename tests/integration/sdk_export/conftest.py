"""A real OTLP receiver on loopback whose answers a test chooses, and apps in processes of their own."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanwise import guard
from spanwise.config import Config
from spanwise.pipeline import Pipeline


@dataclass
class Reply:
    """What the receiver answers; ``gate``, when given, is awaited first."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    gate: threading.Event | None = None


@dataclass
class Received:
    """One request that arrived whole."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def spans(self) -> list[dict[str, Any]]:
        """The request's spans, as the names and attributes that tests ask for."""
        request = ExportTraceServiceRequest.FromString(self.body)
        return [
            {
                "name": span.name,
                "id": span.span_id.hex(),
                "trace": span.trace_id.hex(),
                "parent": span.parent_span_id.hex(),
                "attributes": {item.key: _value(item.value) for item in span.attributes},
                "resource": {item.key: _value(item.value) for item in group.resource.attributes},
                "scope": scope.scope.name,
            }
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


class Sink:
    """Takes ``POST`` of anything; ``replies`` decides by the number of the request (the last one repeats)."""

    def __init__(self, port: int = 0) -> None:
        self.replies: list[Reply] = [Reply()]
        self.received: list[Received] = []
        self.attempts = 0
        self.is_spanwise = True
        self._changed = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.respond(Reply(200, {"x-spanwise": "0.0.0"} if sink.is_spanwise else {}))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.respond(sink.take(Received(self.path, headers, body, time.monotonic())))

            def respond(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that give up are what is tested here

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def take(self, received: Received) -> Reply:
        with self._changed:
            reply = self.replies[min(self.attempts, len(self.replies) - 1)]
            self.attempts += 1
            self._changed.notify_all()
        if reply.gate is not None:
            reply.gate.wait(30)
        with self._changed:
            if reply.status == 200:
                self.received.append(received)
            self._changed.notify_all()
        return reply

    @property
    def spans(self) -> list[dict[str, Any]]:
        """The spans that were accepted."""
        requests = [received for received in self.received if not received.path.endswith("/v1/logs")]
        return [span for received in requests for span in received.spans]

    @property
    def names(self) -> list[str]:
        return sorted(span["name"] for span in self.spans)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), "what was waited for did not arrive"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "is_strict", True)
    for name in list(os.environ):
        if name.startswith(("OTEL_", "SPANWISE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def sink() -> Iterator[Sink]:
    opened = Sink()
    yield opened
    opened.close()


@pytest.fixture
def new_sink() -> Iterator[Callable[..., Sink]]:
    opened: list[Sink] = []

    def new(port: int = 0) -> Sink:
        opened.append(Sink(port))
        return opened[-1]

    yield new
    for each in opened:
        each.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def new_pipeline(sink: Sink) -> Iterator[Callable[..., Pipeline]]:
    """Makes isolated pipelines towards the sink, and ends them without waiting."""
    made: list[Pipeline] = []

    def new(**settings: Any) -> Pipeline:
        config = Config.from_env(**{"endpoint": sink.url, "isolated": True, **settings})
        made.append(Pipeline(config))
        return made[-1]

    yield new
    for pipeline in made:
        pipeline.shutdown(0.01)


@pytest.fixture
def record() -> Callable[..., Any]:
    """Starts and ends one chat span with content."""

    def one(pipeline: Pipeline, name: str = "chat", text: str = "hello", **attributes: Any) -> Any:
        span = pipeline.tracer().start_span(name, attributes={"gen_ai.operation.name": "chat", **attributes})
        messages = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
        pipeline.put_content(span, {"gen_ai.input.messages": messages})
        span.end()
        return span

    return one


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines that a user would see of our logger."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "spanwise"]


@dataclass
class Done:
    """An app that has ended."""

    code: int
    out: str
    lines: list[str]
    took_s: float


@pytest.fixture
def run_app(tmp_path: Any) -> Callable[..., Done]:
    """Runs a script in a process of its own. ``record(name)`` is there; so is ``spanwise``."""
    prelude = """
        import os, sys, time
        from spanwise.config import Config
        from spanwise.pipeline import Pipeline
        settings = __import__("json").loads(os.environ["SETTINGS"])
        pipeline = Pipeline(Config.from_env(**settings))
        def record(name):
            span = pipeline.tracer().start_span(name, attributes={"gen_ai.operation.name": "chat"})
            pipeline.put_content(span, {"gen_ai.input.messages": [name]})
            span.end()
    """

    def run(script: str, environment: dict[str, str] | None = None, **settings: Any) -> Done:
        path = tmp_path / "app.py"
        path.write_text(textwrap.dedent(prelude) + textwrap.dedent(script))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        # Python says of every fork of a process with threads that it may deadlock; not what is tested here.
        inherited["PYTHONWARNINGS"] = "ignore:This process:DeprecationWarning"
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(path)],
            env={
                **inherited,
                "SETTINGS": json.dumps(settings),
                "SPANWISE_STRICT": "1",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Done(done.returncode, done.stdout, lines, time.monotonic() - began)

    return run
