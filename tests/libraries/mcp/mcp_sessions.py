"""A server with a tool, a prompt and a resource, and a client connected to it in memory: of 1.x or 2.x."""

import asyncio
import inspect
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import mcp

try:
    from mcp.server.mcpserver import MCPServer as Server

    IS_2 = True
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server

    IS_2 = False


def tells_of_http() -> bool:
    """Tells whether a server of this version sees the HTTP request that a message came in: since 1.10."""
    if IS_2:
        return True
    from mcp.shared.session import RequestResponder

    return "message_metadata" in inspect.signature(RequestResponder.__init__).parameters


def make_server() -> Any:
    server = Server("weather")

    @server.tool()
    def weather(city: str) -> str:
        if city == "Atlantis":
            raise ValueError("no such city")
        return f"sunny in {city}"

    @server.prompt()
    def ask(city: str) -> str:
        return f"How is {city}?"

    @server.resource("notes://today")
    def today() -> str:
        return "Umbrella."

    return server


@asynccontextmanager
async def connected(server: Any, *, by_streams: bool = False, **callbacks: Any) -> AsyncIterator[Any]:
    """Yields a client that is connected to the server in memory and initialized.

    Args:
        server: The server.
        by_streams: Of 2.x: by messages through streams, as 1.x does it, and not by calls.
        callbacks: Of the client, such as ``sampling_callback``.
    """
    if IS_2:
        async with mcp.Client(server, mode="legacy" if by_streams else "auto", **callbacks) as client:
            yield client
        return
    from mcp.shared.memory import create_connected_server_and_client_session

    async with create_connected_server_and_client_session(server._mcp_server, **callbacks) as session:
        yield session


SERVER = """
import json, os, sys
if sys.argv[3] == "traced":
    import spanwise
    spanwise.instrument(endpoint="http://127.0.0.1:9")
from opentelemetry import trace
try:
    from mcp.server.mcpserver import MCPServer as Server
    server = Server("where")
    options = {"port": int(sys.argv[2])}
except ImportError:
    from mcp.server.fastmcp import FastMCP
    server, options = FastMCP("where", port=int(sys.argv[2])), {}

@server.tool()
def where() -> str:
    span = trace.get_current_span()
    ids = span.get_span_context()
    told = {"trace": f"{ids.trace_id:032x}", "recorded": span.is_recording()}
    if span.is_recording():
        told["parent"] = f"{span.parent.span_id:016x}"
        told["name"], told["kind"] = span.name, span.kind.name
        told["attributes"] = dict(span.attributes)
    return json.dumps(told)

@server.tool()
def quit() -> str:
    os._exit(3)

if sys.argv[1] == "stdio":
    server.run()
else:
    server.run(transport=sys.argv[1], **options)
"""


@asynccontextmanager
async def over_stdio(how: str = "traced") -> AsyncIterator[Any]:
    """Yields a session with a server in a child process, which is ``traced`` or ``plain``."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(command=sys.executable, args=["-c", SERVER, "stdio", "0", how])
    async with stdio_client(parameters) as streams, mcp.ClientSession(*streams[:2]) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def http_client(url: str) -> AsyncIterator[Any]:
    """Yields a session over streamable HTTP, not initialized yet."""
    try:
        from mcp.client.streamable_http import streamable_http_client as connect
    except ImportError:
        from mcp.client.streamable_http import streamablehttp_client as connect
    async with connect(url) as streams, mcp.ClientSession(*streams[:2]) as session:
        yield session


@asynccontextmanager
async def over_http() -> AsyncIterator[Any]:
    """Yields a session with a server process that listens on loopback."""
    async with _listener("streamable-http") as url, http_client(f"{url}/mcp") as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def over_http_of_2026() -> AsyncIterator[Any]:
    """Yields a client of 2.x, whose protocol has no sessions."""
    async with _listener("streamable-http") as url, mcp.Client(f"{url}/mcp") as client:
        yield client


@asynccontextmanager
async def over_sse() -> AsyncIterator[Any]:
    """Yields a session over the protocol's older HTTP transport."""
    from mcp.client.sse import sse_client

    async with (
        _listener("sse") as url,
        sse_client(f"{url}/sse") as streams,
        mcp.ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def _listener(transport: str) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, transport, str(port), "traced"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            await _listening(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


async def _listening(port: int) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                await client.get(f"http://127.0.0.1:{port}/")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError("the server does not listen")
