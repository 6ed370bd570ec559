"""Requests of a client of the Model Context Protocol to a server in the same process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import mcp
from loopback import Loopback
from mcp.server.mcpserver import MCPServer

Ask = Callable[[Any], Awaitable[Any]]


def _server() -> Any:
    server = MCPServer("weather")

    @server.tool()
    def weather(city: str) -> str:
        return f"sunny in {city[:40]}"

    @server.tool()
    def fail() -> str:
        raise ValueError("no")

    return server


def _asked(mode: str, ask: Ask) -> Any:
    async def run() -> Any:
        async with mcp.Client(_server(), mode=mode) as client:
            try:
                return await ask(client)
            except mcp.MCPError as error:
                answer = error
        raise answer  # outside of the task group, which would wrap it

    return asyncio.run(run())


def call(loopback: Loopback, text: str) -> Any:
    async def ask(client: Any) -> Any:
        return await client.call_tool("weather", {"city": text}), await client.call_tool("fail", {})

    return _asked("auto", ask)


def streamed_call(loopback: Loopback, text: str) -> Any:
    async def ask(client: Any) -> Any:
        return await client.call_tool("weather", {"city": text}), await client.list_tools()

    return _asked("legacy", ask)


def refused(loopback: Loopback, text: str) -> Any:
    return _asked("auto", lambda client: client.get_prompt("none", {}))


def streamed_and_refused(loopback: Loopback, text: str) -> Any:
    return _asked("legacy", lambda client: client.get_prompt("none", {}))


SAMPLES = {
    "call": call,
    "call by streams": streamed_call,
    "refused": refused,
    "refused by streams": streamed_and_refused,
}
