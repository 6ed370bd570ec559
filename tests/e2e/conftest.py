"""A real server process, a real Chromium, and OTLP to fill the one for the other."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = os.environ.get("SPANWISE_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 30
NS = 1_000_000_000


def attribute(key: str, value: object) -> dict[str, Any]:
    """One OTLP JSON attribute."""
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value}}
    if isinstance(value, list):
        return {"key": key, "value": {"arrayValue": {"values": [attribute("", v)["value"] for v in value]}}}
    return {"key": key, "value": {"stringValue": value}}


@dataclass
class Trace:
    """Spans of one trace, built by hand and sent as OTLP JSON."""

    service: str = "shop"
    resource: dict[str, object] = field(default_factory=dict)
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    start_ns: int = field(default_factory=lambda: time.time_ns() - 20 * NS)
    spans: list[dict[str, Any]] = field(default_factory=list)

    def span(
        self,
        name: str,
        *,
        parent: str = "",
        at_ms: int = 0,
        ms: int = 100,
        error: str = "",
        events: list[dict[str, Any]] | None = None,
        **attributes: object,
    ) -> str:
        """Adds a span and returns its id."""
        span_id = secrets.token_hex(8)
        start = self.start_ns + at_ms * 1_000_000
        self.spans.append(
            {
                "traceId": self.trace_id,
                "spanId": span_id,
                "parentSpanId": parent,
                "name": name,
                "kind": 1,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(start + ms * 1_000_000),
                "attributes": [attribute(key, value) for key, value in attributes.items()],
                "status": {"code": 2, "message": error} if error else {},
                "events": events or [],
            }
        )
        return span_id


@dataclass
class Server:
    """A running ``spanwise serve``."""

    url: str
    process: "subprocess.Popen[bytes]"
    data_dir: Path

    def send(self, *traces: Trace, headers: dict[str, str] | None = None) -> None:
        """Sends traces; they are durable, and on the pages, when it returns."""
        for trace in traces:
            for start in range(0, len(trace.spans), 5000):
                self.send_raw(_document(trace, trace.spans[start : start + 5000]), headers)

    def send_raw(self, document: bytes, headers: dict[str, str] | None = None) -> None:
        """Sends one OTLP JSON document as it is."""
        held = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(f"{self.url}/v1/traces", document, held)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def get(self, path: str) -> Any:
        """A JSON answer of the server."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return json.load(answer)


def _document(trace: Trace, spans: list[dict[str, Any]]) -> bytes:
    held = {"service.name": trace.service, **trace.resource}
    resource = {"attributes": [attribute(key, value) for key, value in held.items()]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers of their own data folder and port; all of them are stopped at the end."""
    started: list[Server] = []

    def start(*arguments: str, **environment: str) -> Server:
        port, folder = free_port(), tmp_path_factory.mktemp("data")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
        command = [
            sys.executable,
            "-c",
            "import sys; from spanwise.cli import main; sys.exit(main())",
            "serve",
        ]
        command += ["--port", str(port), "--data-dir", str(folder), *arguments]
        process = subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.PIPE)
        server = Server(f"http://127.0.0.1:{port}", process, folder)
        started.append(server)
        assert process.stdout is not None
        line = process.stdout.readline().decode()  # printed once the server answers
        assert server.url in line, f"the server said {line!r}"
        return server

    yield start
    for server in started:
        server.process.send_signal(signal.SIGTERM)
    for server in started:
        assert server.process.wait(30) == 0
        if server.process.stdout:
            server.process.stdout.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (set SPANWISE_CHROMIUM)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages in contexts of their own; any console error or script error fails the test at its end."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def watch(page: Page) -> Page:
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
        return page

    def new(width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        return watch(context.new_page())

    yield new
    for context in contexts:
        context.close()
    assert problems == []


def chat(model: str, question: str, answer: str, **more: object) -> dict[str, object]:
    """The attributes of a chat call in OpenTelemetry's GenAI shape."""
    said = [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
    asked = [
        {"role": "system", "parts": [{"type": "text", "content": "You are the shop's assistant."}]},
        {"role": "user", "parts": [{"type": "text", "content": question}]},
    ]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(said),
        **more,
    }


def answered(number: int, *, is_error: bool = False) -> Trace:
    """A trace as an assistant makes it: workflow, retrieval, a call with a tool, the tool, the answer."""
    trace = Trace(resource={"deployment.environment.name": "test"})
    trace.start_ns -= number * NS
    person = {"gen_ai.conversation.id": f"s-{number % 5}", "user.id": f"u-{number % 3}"}
    question = f"Where is order {1000 + number}?"
    root = trace.span(
        "invoke_workflow answer",
        ms=900,
        error="the tool failed" if is_error else "",
        **{"gen_ai.operation.name": "invoke_workflow", "spanwise.input": json.dumps({"question": question})},
        **person,
    )
    documents = [
        {"id": "d1", "score": 0.9, "content": "Orders are shipped within two days."},
        {"id": "d2", "score": 0.3, "content": "Returns are free."},
    ]
    trace.span(
        "retrieval orders",
        parent=root,
        at_ms=10,
        ms=40,
        **{
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query.text": question,
            "gen_ai.retrieval.documents": json.dumps(documents),
        },
        **person,
    )
    call = {"type": "tool_call", "id": "call_1", "name": "find_order", "arguments": {"order": 1000 + number}}
    out = [{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]
    first = chat("gpt-4.1-mini", question, "", **{"gen_ai.output.messages": json.dumps(out), **person})
    trace.span("chat gpt-4.1-mini", parent=root, at_ms=60, ms=300, **first)
    stack = "Traceback (most recent call last):\n  File shop.py, line 3\nLookupError: no such order"
    failure = {
        "name": "exception",
        "timeUnixNano": str(trace.start_ns + 380_000_000),
        "attributes": [
            attribute("exception.type", "LookupError"),
            attribute("exception.message", "no such order"),
            attribute("exception.stacktrace", stack),
        ],
    }
    result = {} if is_error else {"gen_ai.tool.call.result": json.dumps({"state": "shipped"})}
    trace.span(
        "execute_tool find_order",
        parent=root,
        at_ms=370,
        ms=20,
        error="no such order" if is_error else "",
        events=[failure] if is_error else [],
        **{
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "find_order",
            "gen_ai.tool.call.id": "call_1",
            "gen_ai.tool.call.arguments": json.dumps({"order": 1000 + number}),
            **({"error.type": "LookupError"} if is_error else {}),
            **result,
        },
        **person,
    )
    model = "gpt-4.1" if number % 4 == 0 else "house-model-1" if number % 7 == 0 else "gpt-4.1-mini"
    answer = chat(model, question, f"Order {1000 + number} is on its way.")
    trace.span(
        f"chat {model}",
        parent=root,
        at_ms=400,
        ms=480,
        **{**answer, "gen_ai.response.time_to_first_chunk": 0.12, **person},
    )
    return trace


@pytest.fixture(scope="session")
def shop(start_server: Callable[..., Server]) -> Server:
    """A server with sixty traces of five sessions, some of them failed, some of an unpriced model."""
    server = start_server()
    server.send(*(answered(number, is_error=number % 10 == 3) for number in range(60)))
    return server


@pytest.fixture(scope="session")
def make_answered() -> Callable[..., Trace]:
    """Makes one assistant's trace, so many seconds ago."""
    return answered


@pytest.fixture(scope="session")
def make_trace() -> type[Trace]:
    """Makes an empty trace to add spans to."""
    return Trace


@pytest.fixture(scope="session")
def chat_attributes() -> Callable[..., dict[str, object]]:
    """Makes the attributes of a chat call."""
    return chat
