"""A client's request and the server's work on it are one trace, with the SDK's 1.x and 2.x."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from span_memory import SpanMemory, traced

from spanwise import integrations

mcp = pytest.importorskip("mcp", reason="not installed: pip install 'spanwise[test-libraries]'")
sys.path.insert(0, str(Path(__file__).parent))
from mcp_sessions import (  # noqa: E402  found by the path above
    IS_2,
    connected,
    make_server,
    over_http,
    over_http_of_2026,
    over_sse,
    over_stdio,
    tells_of_http,
)

LIBRARIES = ("mcp",)
TRANSPORTS = {"stdio": over_stdio, "streamable HTTP": over_http, "SSE": over_sse}
if IS_2:
    TRANSPORTS["streamable HTTP of 2026"] = over_http_of_2026
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def taken(memory: SpanMemory) -> list[tuple[ReadableSpan, dict[str, Any]]]:
    spans = memory.exporter.get_finished_spans()
    memory.exporter.clear()
    return [(span, memory.content.get(span.context.span_id, {})) for span in spans]


@asynccontextmanager
async def session(memory: SpanMemory) -> AsyncIterator[Any]:
    """A connected session, whose own spans have been taken away."""
    async with connected(make_server()) as client:
        await client.list_tools()  # 2.x does it before its first call of a tool
        memory.exporter.clear()
        memory.content.clear()
        yield client


def check_pair(found: list[Any], name: str) -> tuple[Any, Any]:
    """The request's two spans: the server's continues the client's."""
    assert [(span.kind.name, span.name) for span, _ in found] == [("SERVER", name), ("CLIENT", name)]
    (server, _), (client, _) = found
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert server.context.trace_id == client.context.trace_id
    return found[0], found[1]


async def test_a_tool_call(memory: SpanMemory) -> None:
    async with session(memory) as client:
        result = await client.call_tool("weather", {"city": "Rome"})
        assert type(result) is mcp.types.CallToolResult
        assert result.content[0].text == "sunny in Rome"
        pair = check_pair(taken(memory), "tools/call weather")
    for span, content in pair:
        assert span.attributes["gen_ai.operation.name"] == "execute_tool"
        assert span.attributes["gen_ai.tool.name"] == "weather"
        assert span.attributes["mcp.method.name"] == "tools/call"
        assert span.status.status_code.name == "UNSET"
        assert content["gen_ai.tool.call.arguments"] == {"city": "Rome"}
        assert content["gen_ai.tool.call.result"]["content"][0]["text"] == "sunny in Rome"
        assert "Rome" not in str(dict(span.attributes)), "content stays beside the span"


async def test_a_tool_that_fails(memory: SpanMemory) -> None:
    async with session(memory) as client:
        await client.call_tool("weather", {"city": "Atlantis"})
        pair = check_pair(taken(memory), "tools/call weather")
    for span, _ in pair:
        assert span.attributes["error.type"] == "tool_error"
        assert span.status.status_code.name == "ERROR"


async def test_prompts_resources_and_lists(memory: SpanMemory) -> None:
    async with session(memory) as client:
        await client.get_prompt("ask", {"city": "Rome"})
        pair = check_pair(taken(memory), "prompts/get ask")
        for span, content in pair:
            assert span.attributes["gen_ai.prompt.name"] == "ask"
            assert "gen_ai.operation.name" not in span.attributes
            assert content["spanwise.input"] == {"city": "Rome"}
            assert content["spanwise.output"]["messages"][0]["content"]["text"] == "How is Rome?"
        await client.read_resource("notes://today")
        for span, content in check_pair(taken(memory), "resources/read"):
            assert span.attributes["mcp.resource.uri"] == "notes://today"
            assert content["spanwise.output"]["contents"][0]["text"] == "Umbrella."
        await client.list_tools()
        for _, content in check_pair(taken(memory), "tools/list"):
            assert content == {}


async def test_an_error_of_the_protocol(memory: SpanMemory) -> None:
    async with session(memory) as client:
        with pytest.raises(Exception, match=r"error|prompt") as raised:
            await client.get_prompt("nope", {})
        server, sent = check_pair(taken(memory), "prompts/get nope")
    assert server[0].status.status_code.name == sent[0].status.status_code.name == "ERROR"
    assert sent[0].attributes["error.type"] == str(raised.value.error.code)
    assert sent[0].attributes["rpc.response.status_code"] == str(raised.value.error.code)


async def test_the_apps_span_is_the_parent_and_a_frameworks_tool_span_is_not_doubled(
    memory: SpanMemory,
) -> None:
    tracer = memory.provider.get_tracer("framework")
    async with session(memory) as client:
        with tracer.start_as_current_span("GET /weather") as outer:
            await client.list_tools()
        spans = [span for span, _ in taken(memory)]
        assert {span.context.trace_id for span in spans} == {outer.get_span_context().trace_id}
        own = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}
        with tracer.start_as_current_span("execute_tool weather", attributes=own) as tool:
            await client.call_tool("weather", {"city": "Rome"})
        found = [span for span, _ in taken(memory)]
    assert [(span.kind.name, span.name) for span in found] == [
        ("SERVER", "tools/call weather"),
        ("INTERNAL", "execute_tool weather"),
    ]
    assert found[1].attributes["mcp.method.name"] == "tools/call"
    assert found[0].parent.span_id == tool.get_span_context().span_id


async def test_no_content_where_it_is_off() -> None:
    with traced(LIBRARIES, capture="NO_CONTENT") as memory:
        async with session(memory) as client:
            await client.call_tool("weather", {"city": "Rome"})
            check_pair(taken(memory), "tools/call weather")
    assert memory.content == {}


async def test_a_request_object_of_the_apps_is_left_as_it_is(memory: SpanMemory) -> None:
    params = mcp.types.CallToolRequestParams(name="weather", arguments={"city": "Rome"})
    request = mcp.types.CallToolRequest(**({} if IS_2 else {"method": "tools/call"}), params=params)
    wrapped = request if IS_2 else mcp.types.ClientRequest(request)
    before = wrapped.model_dump_json()
    async with session(memory) as client:
        inner = client.session if IS_2 else client
        await inner.send_request(wrapped, mcp.types.CallToolResult)
        check_pair(taken(memory), "tools/call weather")
    assert wrapped.model_dump_json() == before


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_context_travels_with_the_request_to_another_process(
    memory: SpanMemory, transport: str
) -> None:
    """The tool answers with the ids that it runs under."""
    async with TRANSPORTS[transport]() as client:
        memory.exporter.clear()
        result = await client.call_tool("where", {})
    (sent,) = [span for span, _ in taken(memory) if span.name == "tools/call where"]
    told = json.loads(result.content[0].text)
    assert (told["trace"], told["parent"]) == (
        f"{sent.context.trace_id:032x}",
        f"{sent.context.span_id:016x}",
    )
    assert (told["name"], told["kind"]) == ("tools/call where", "SERVER")
    is_seen_by_server = transport == "stdio" or tells_of_http()
    for attributes in (sent.attributes, told["attributes"])[: 1 + is_seen_by_server]:
        assert attributes["network.transport"] == ("pipe" if transport == "stdio" else "tcp")
        assert attributes.get("network.protocol.name") == (None if transport == "stdio" else "http")
        assert attributes["jsonrpc.request.id"].isdecimal()
        assert attributes["mcp.protocol.version"].startswith("202")
        assert ("mcp.session.id" in attributes) == (transport == "streamable HTTP")
    if transport != "stdio":
        assert sent.attributes["server.address"] == "127.0.0.1"
        assert sent.attributes["server.port"] > 0
        assert told["attributes"].get("client.address") == ("127.0.0.1" if is_seen_by_server else None)


async def test_switched_off_nothing_of_ours_is_left(memory: SpanMemory) -> None:
    integrations.uninstrument("mcp")
    async with session(memory) as client:
        await client.call_tool("weather", {"city": "Rome"})
    assert taken(memory) == []
    assert not trace.get_current_span().get_span_context().is_valid
