"""A recorded session of a real MCP server over streamable HTTP, replayed to the real client."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cassettes import load
from span_memory import SpanMemory

from spanwise import integrations

mcp = pytest.importorskip("mcp", reason="not installed: pip install 'spanwise[test-libraries]'")
sys.path.insert(0, str(Path(__file__).parent))
from mcp_sessions import http_client  # noqa: E402  found by the path above

LIBRARIES = ("mcp",)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
RECORDED = [each for each in load("mcp-http") if each.status == 200]
NO_DATA = "recorded data is not there: set SPANWISE_SHARED"


def messages_of(body: bytes) -> list[dict[str, Any]]:
    """Returns the JSON-RPC messages of an event stream."""
    lines = body.decode().splitlines()
    return [json.loads(line[len("data: ") :]) for line in lines if line.startswith("data: {")]


def answers() -> dict[str, tuple[dict[str, Any], bytes]]:
    """Returns for each recorded method its request and the events that answered it."""
    return {each.request["method"]: (each.request, each.body) for each in RECORDED}


class _Replay(BaseHTTPRequestHandler):
    """Answers each method as it was, under the id that the client uses now."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(405, b"")

    do_DELETE = do_GET

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)  # type: ignore[attr-defined]
        if "id" not in asked:
            self._send(202, b"")
            return
        found = answers().get(asked["method"])
        if found is None:
            error = {"code": -32601, "message": "Method not found"}
            self._send(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": error}).encode())
            return
        recorded, body = found
        last = messages_of(body)[-1]
        assert last["id"] == recorded["id"]
        if asked["method"] == "initialize":  # older clients know older versions
            last["result"]["protocolVersion"] = asked["params"]["protocolVersion"]
        event = "event: message\ndata: " + json.dumps(last | {"id": asked["id"]}) + "\n\n"
        self._send(200, event.encode(), "text/event-stream")

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Any]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Replay)
    running.daemon_threads = True
    running.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.skipif(not RECORDED, reason=NO_DATA)
async def test_a_recorded_session(server: Any, memory: SpanMemory) -> None:
    recorded, body = answers()["tools/call"]
    named = recorded["params"]
    async with http_client(f"http://127.0.0.1:{server.server_address[1]}/mcp") as session:
        await session.initialize()
        await session.list_tools()
        memory.exporter.clear()
        await session.call_tool(named["name"], named["arguments"])
    (span,) = [each for each in memory.exporter.get_finished_spans() if each.name.startswith("tools/call")]
    content = memory.content[span.context.span_id]
    assert span.name == f"tools/call {named['name']}"
    assert content["gen_ai.tool.call.arguments"] == named["arguments"]
    truth = [part["text"] for part in messages_of(body)[-1]["result"]["content"]]
    assert [part["text"] for part in content["gen_ai.tool.call.result"]["content"]] == truth
    (sent,) = [asked for asked in server.asked if asked["method"] == "tools/call"]
    version, trace_id, parent_id, _ = sent["params"]["_meta"]["traceparent"].split("-")
    assert (version, trace_id) == ("00", f"{span.context.trace_id:032x}")
    assert parent_id == f"{span.context.span_id:016x}"
    assert span.attributes["jsonrpc.request.id"] == str(sent["id"])
    (begun,) = [asked for asked in server.asked if asked["method"] == "initialize"]
    assert span.attributes["mcp.protocol.version"] == begun["params"]["protocolVersion"]


@pytest.mark.skipif(not RECORDED, reason=NO_DATA)
async def test_switched_off_nothing_is_put_into_a_request(server: Any, memory: SpanMemory) -> None:
    recorded, _ = answers()["tools/call"]
    integrations.uninstrument("mcp")
    async with http_client(f"http://127.0.0.1:{server.server_address[1]}/mcp") as session:
        await session.initialize()
        await session.call_tool(recorded["params"]["name"], recorded["params"]["arguments"])
    assert "traceparent" not in str(server.asked)
    assert memory.take() == []


@pytest.mark.skipif(not RECORDED, reason=NO_DATA)
async def test_a_method_that_the_server_lacks(server: Any, memory: SpanMemory) -> None:
    async with http_client(f"http://127.0.0.1:{server.server_address[1]}/mcp") as session:
        await session.initialize()
        memory.exporter.clear()
        with pytest.raises(Exception, match="Method not found"):
            await session.list_prompts()
    (span,) = [each for each in memory.exporter.get_finished_spans() if each.name == "prompts/list"]
    assert span.attributes["error.type"] == "-32601"
    assert span.status.status_code.name == "ERROR"
