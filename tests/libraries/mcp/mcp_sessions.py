"""A server with a tool, a prompt and a resource, and a client connected to it in memory: of 1.x or 2.x."""

import asyncio
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
async def connected(server: Any) -> AsyncIterator[Any]:
    """Yields a ``ClientSession`` that is connected to the server and initialized."""
    if IS_2:
        async with mcp.Client(server) as client:
            yield client
        return
    from mcp.shared.memory import create_connected_server_and_client_session

    async with create_connected_server_and_client_session(server._mcp_server) as session:
        yield session


SERVER = """
import sys
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
    return f"{ids.trace_id:032x}|{span.parent.span_id:016x}|{span.name}|{span.kind.name}"

if sys.argv[1] == "stdio":
    server.run()
else:
    server.run(transport="streamable-http", **options)
"""


@asynccontextmanager
async def over_stdio() -> AsyncIterator[Any]:
    """Yields a session with a server in a child process."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(command=sys.executable, args=["-c", SERVER, "stdio", "0"])
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, "http", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            await _listening(port)
            async with http_client(f"http://127.0.0.1:{port}/mcp") as session:
                await session.initialize()
                yield session
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
