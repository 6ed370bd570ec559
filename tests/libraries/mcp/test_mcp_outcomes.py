"""How a request ends, what it carries, and that the library's own spans do not come out beside ours."""

import asyncio
import inspect
import json
import subprocess
import sys
import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import get_current_span
from span_memory import SpanMemory, traced

import spanwise
from spanwise.integrations import mcp as mcp_integration
from spanwise.integrations._mcp_connection import facts_of

mcp = pytest.importorskip("mcp", reason="not installed: pip install 'spanwise[test-libraries]'")
sys.path.insert(0, str(Path(__file__).parent))
from mcp.client.sse import sse_client  # noqa: E402
from mcp.client.stdio import stdio_client  # noqa: E402
from mcp.server.stdio import stdio_server  # noqa: E402
from mcp_sessions import IS_2, Server, connected, make_server, over_stdio  # noqa: E402  found by the path above

if IS_2:
    from mcp.server.mcpserver import Context
else:
    from mcp.server.fastmcp import Context

LIBRARIES = ("mcp",)
WAYS = {"calls": False, "streams": True} if IS_2 else {"streams": True}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def spans_named(memory: SpanMemory, name: str) -> dict[str, ReadableSpan]:
    """Returns the spans of a request by kind; the server's must continue the client's."""
    found = [span for span in memory.exporter.get_finished_spans() if span.name == name]
    kinds = {span.kind.name: span for span in found}
    assert len(found) == len(kinds) == 2, found
    assert kinds["SERVER"].parent.span_id == kinds["CLIENT"].context.span_id
    return kinds


async def call_by_request(client: Any, tool: str, limit: Any = None, meta: Any = None) -> None:
    """Calls a tool as ``call_tool`` does, also where that takes neither a time limit nor metadata."""
    params = mcp.types.CallToolRequestParams(**{"name": tool, "arguments": {}, "_meta": meta})
    request = mcp.types.CallToolRequest(**({} if IS_2 else {"method": "tools/call"}), params=params)
    session, wrapped = (client.session, request) if IS_2 else (client, mcp.types.ClientRequest(request))
    await session.send_request(wrapped, mcp.types.CallToolResult, request_read_timeout_seconds=limit)


@pytest.mark.parametrize("way", WAYS)
async def test_spans_of_a_tools_own_code_are_below_the_servers(memory: SpanMemory, way: str) -> None:
    server = make_server()

    @server.tool()
    async def ask_model(question: str) -> str:
        with memory.provider.get_tracer("app").start_as_current_span("chat m"):
            return "42"

    async with connected(server, by_streams=WAYS[way]) as client:
        with spanwise.context(user_id="u1"):
            await client.call_tool("ask_model", {"question": "?"})
    kinds = spans_named(memory, "tools/call ask_model")
    (model,) = [span for span in memory.exporter.get_finished_spans() if span.name == "chat m"]
    assert model.parent.span_id == kinds["SERVER"].context.span_id
    assert kinds["CLIENT"].attributes["user.id"] == "u1"


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancelled_call(memory: SpanMemory, way: str) -> None:
    server, begun, ended = make_server(), asyncio.Event(), asyncio.Event()

    @server.tool()
    async def wait() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    async with connected(server, by_streams=WAYS[way]) as client:
        call = asyncio.ensure_future(client.call_tool("wait", {}))
        await asyncio.wait_for(begun.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        if IS_2:  # 1.x leaves its server at work until the connection ends
            await asyncio.wait_for(ended.wait(), 10)
    kinds = spans_named(memory, "tools/call wait")
    for span in kinds.values():
        assert span.status.status_code.name == "ERROR"
    assert kinds["CLIENT"].attributes["error.type"].endswith("CancelledError")


async def test_a_call_that_takes_too_long(memory: SpanMemory) -> None:
    server, free = make_server(), asyncio.Event()

    @server.tool()
    async def wait() -> str:
        await free.wait()
        return "late"

    limit = 0.2 if IS_2 else timedelta(seconds=0.2)
    async with connected(server, by_streams=True) as client:
        with pytest.raises(Exception, match=r"(?i)timed out") as raised:
            await call_by_request(client, "wait", limit)
        free.set()
        await client.list_tools()  # the late answer is in by then
    ended = memory.exporter.get_finished_spans()
    (span,) = [each for each in ended if (each.kind.name, each.name) == ("CLIENT", "tools/call wait")]
    assert span.attributes["error.type"] == str(raised.value.error.code)


def test_a_connection_that_cannot_be_held_weakly_is_not_known() -> None:
    assert facts_of([]) == {}


async def test_a_server_that_goes_away_in_a_call(memory: SpanMemory) -> None:
    async with over_stdio() as client:
        call = client.call_tool("quit", {})
        with pytest.raises(BaseException) as raised:  # noqa: PT011  1.9 never notices, later ones do
            await asyncio.wait_for(call, 5)
    (span,) = [each for each in memory.exporter.get_finished_spans() if each.name == "tools/call quit"]
    assert span.status.status_code.name == "ERROR"
    code = getattr(getattr(raised.value, "error", None), "code", None)
    if code is None:
        assert isinstance(raised.value, TimeoutError)
        assert span.attributes["error.type"].endswith("CancelledError")
    else:
        assert span.attributes["error.type"] == span.attributes["rpc.response.status_code"] == str(code)


async def test_a_server_without_spanwise_answers_as_ever(memory: SpanMemory) -> None:
    async with over_stdio("plain") as client:
        result = await client.call_tool("where", {})
    told = json.loads(result.content[0].text)
    assert told["recorded"] is False
    assert [
        span.name for span in memory.exporter.get_finished_spans() if span.name.startswith("tools/call")
    ] == ["tools/call where"]


@pytest.mark.parametrize("is_on", [True, False])
async def test_what_the_app_put_into_meta_stays_there(is_on: bool) -> None:
    server, seen = Server("meta"), []

    @server.tool()
    def look(ctx: Context) -> str:
        meta = ctx.request_context.meta
        seen.append(meta if isinstance(meta, dict) else meta.model_dump(by_alias=True, exclude_none=True))
        return "looked"

    own = {"com.example/user": "u1", "com.example/tenant": {"id": 7}}
    with traced(LIBRARIES if is_on else ("openai",)) as memory:
        async with connected(server, by_streams=True) as client:
            await call_by_request(client, "look", meta=dict(own))
    (meta,) = seen
    assert {key: meta.get(key) for key in own} == own
    if is_on:
        client_span = spans_named(memory, "tools/call look")["CLIENT"]
        assert meta["traceparent"].split("-")[2] == f"{client_span.context.span_id:016x}"
    else:
        assert meta == own


@pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")  # from 2.x on; still served
async def test_a_server_that_asks_the_client(memory: SpanMemory) -> None:
    server, around = Server("asker"), []

    @server.tool()
    async def summarize(ctx: Context) -> str:
        message = mcp.types.SamplingMessage(
            role="user", content=mcp.types.TextContent(type="text", text="Sum up.")
        )
        answer = await ctx.session.create_message([message], max_tokens=9)
        return answer.content.text

    async def sample(context: Any, params: Any) -> Any:
        around.append(get_current_span())
        content = mcp.types.TextContent(type="text", text="In short: 42.")
        return mcp.types.CreateMessageResult(role="assistant", content=content, model="m")

    async with connected(server, by_streams=True, sampling_callback=sample) as client:
        result = await client.call_tool("summarize", {})
    assert result.content[0].text == "In short: 42."
    tool = spans_named(memory, "tools/call summarize")
    asked = spans_named(memory, "sampling/createMessage")
    assert asked["CLIENT"].parent.span_id == tool["SERVER"].context.span_id
    assert [span.get_span_context().span_id for span in around] == [asked["SERVER"].context.span_id]
    for span in asked.values():
        content = memory.content[span.context.span_id]
        assert content["spanwise.input"]["messages"][0]["content"]["text"] == "Sum up."
        assert content["spanwise.output"]["content"]["text"] == "In short: 42."


async def test_private_calls_leave_no_words(memory: SpanMemory) -> None:
    async with connected(make_server()) as client:
        await client.list_tools()
        with spanwise.private():
            await client.call_tool("weather", {"city": "Atlantis"})
    kinds = spans_named(memory, "tools/call weather")
    if not IS_2:  # whose server runs in a task of its own, which private() does not reach
        del kinds["SERVER"]
    for span in kinds.values():
        assert span.attributes["error.type"] == "tool_error"
        assert not span.status.description
        assert span.context.span_id not in memory.content


def held() -> dict[str, Any]:
    """Returns what an app calls, by name: methods, and the generators of transports."""
    found = {}
    for name, paths in mcp_integration._PLACES.items():
        if (module := sys.modules.get(name)) is not None:
            for path in filter(lambda each: mcp_integration._has(module, each), paths):
                *owners, attribute = path.split(".")
                owner = getattr(module, owners[0]) if owners else module
                found[f"{name}:{path}"] = vars(owner)[attribute]
    for opener in (stdio_client, sse_client, stdio_server):
        found[opener.__name__] = inspect.getclosurevars(opener).nonlocals["func"]
    return found


def test_switched_off_the_library_is_as_it_was() -> None:
    before = held()
    with traced(LIBRARIES):
        assert all(now is not before[name] for name, now in held().items())
    assert len(before) >= (11 if IS_2 else 8)
    after = held()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize("package", ["opentelemetry", "openinference"])
async def test_beside_another_instrumentor(
    memory: SpanMemory, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    name = f"{package}.instrumentation.mcp"
    kind = type("McpInstrumentor", (), {"__module__": name, "_is_instrumented_by_opentelemetry": True})
    kind._instance = kind()
    module = types.ModuleType(name)
    module.McpInstrumentor = kind
    monkeypatch.setitem(sys.modules, name, module)
    async with connected(make_server()) as client:
        await client.call_tool("weather", {"city": "Rome"})
    if package == "opentelemetry":
        assert memory.take() == [], "its spans are there"
    else:
        spans_named(memory, "tools/call weather")  # that one only carries the context


BESIDE = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
import spanwise
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
spanwise.instrument(endpoint="http://127.0.0.1:9")
from mcp_sessions import connected, make_server

async def main():
    for by_streams in (False, True):
        async with connected(make_server(), by_streams=by_streams) as client:
            await client.call_tool("weather", {"city": "Rome"})

asyncio.run(main())
ended = exporter.get_finished_spans()
print(json.dumps([(each.instrumentation_scope.name, each.kind.name, each.name) for each in ended]))
"""


def test_the_librarys_own_spans_do_not_come_out_beside_ours() -> None:
    command = [sys.executable, "-W", "ignore", "-c", BESIDE, str(Path(__file__).parent)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    spans = json.loads(said.stdout.splitlines()[-1])
    assert {scope for scope, _, _ in spans} == {"spanwise"}
    calls = [(kind, name) for _, kind, name in spans if name == "tools/call weather"]
    assert calls == [("SERVER", "tools/call weather"), ("CLIENT", "tools/call weather")] * 2
    assert not [name for _, _, name in spans if name.startswith("notifications/")]
