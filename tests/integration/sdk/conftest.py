"""A local server that speaks OpenAI's protocol and receives OTLP, and apps run as processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass
class Exported:
    """One span as the endpoint received it."""

    name: str
    span_id: str
    parent_span_id: str
    attributes: dict[str, Any]


@dataclass
class Server:
    """The local server."""

    url: str = ""
    spans: list[Exported] = field(default_factory=list)
    http: Any = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.server.owner.spans += exported(body)
            self.reply(b"", "application/x-protobuf")
            return
        request = json.loads(body)
        envelope = {"id": "c-1", "created": 1, "model": request["model"], "object": "chat.completion"}
        if request.get("stream"):
            self.stream({**envelope, "object": "chat.completion.chunk"})
            return
        message = {"role": "assistant", "content": "It is blue."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.reply(json.dumps({**envelope, "choices": [choice], "usage": USAGE}).encode(), "application/json")

    def stream(self, envelope: dict[str, Any]) -> None:
        events = [
            {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            for word in ("It ", "is ", "blue.")
        ]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        lines = [f"data: {json.dumps({**envelope, **event})}\n\n" for event in events]
        self.reply("".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")

    def reply(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def exported(body: bytes) -> list[Exported]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Exported(span.name, span.span_id.hex(), span.parent_span_id.hex(), attributes_of(span))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes_of(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


@pytest.fixture
def server() -> Iterator[Server]:
    owner = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.owner = owner  # type: ignore[attr-defined]
    owner.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield owner
    http.shutdown()
    http.server_close()
    thread.join()


PRELUDE = """
import asyncio, gc, logging, os, sys, threading
import spanwise
URL = os.environ["TEST_URL"]
def client(kind="OpenAI"):
    import openai
    return getattr(openai, kind)(api_key="none", base_url=URL + "/v1", max_retries=0)
MESSAGES = [{"role": "user", "content": "Why is the sky blue? Mail me: jane@example.com"}]
def ask(client, **more):
    return client.chat.completions.create(model="m-1", messages=MESSAGES, **more)
"""


@pytest.fixture
def run_app(server: Server) -> Any:
    """Runs Python code as an app of its own and returns what it wrote to standard error."""

    def run(code: str, **environment: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
        settings = {"TEST_URL": server.url, "OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "SPANWISE_STRICT": "1"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PRELUDE + code],
            env=clean | settings | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run
