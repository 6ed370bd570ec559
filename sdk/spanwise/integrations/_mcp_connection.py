"""What is known of the connection an MCP request goes over: transport, address, session, protocol version.

A session only has two streams. Which transport they belong to is noted where the transport opens them.
"""

import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import wrapt

from spanwise import guard, semconv
from spanwise.integrations._stainless_fields import as_text, fields
from spanwise.operation import AttributeValue

Facts = dict[str, AttributeValue]

_PIPE: Facts = {semconv.NETWORK_TRANSPORT: "pipe"}
_HTTP: Facts = {semconv.NETWORK_TRANSPORT: "tcp", semconv.NETWORK_PROTOCOL_NAME: "http"}
_WEBSOCKET: Facts = {semconv.NETWORK_TRANSPORT: "tcp", semconv.NETWORK_PROTOCOL_NAME: "websocket"}
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_CELL = "func"
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

_of_stream: "weakref.WeakKeyDictionary[Any, Callable[[], Facts]]" = weakref.WeakKeyDictionary()
_versions: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()


def facts_of(sender: Any) -> Facts:
    """Returns what is known of the connection of a session or dispatcher, by its stream for writing."""
    if sender is None:
        return {}
    noted = _found(_of_stream, _key(getattr(sender, "_write_stream", None)))
    facts: Facts = {} if noted is None else dict(noted())
    if (version := _found(_versions, sender)) is not None:
        facts[semconv.MCP_PROTOCOL_VERSION] = version
    return facts


def _found(noted: "weakref.WeakKeyDictionary[Any, Any]", key: Any) -> Any:
    """Returns what is noted of an object; of one that cannot be held weakly nothing ever is."""
    try:
        return noted.get(key)
    except TypeError:
        return None


def facts_of_http(request: Any) -> Facts:
    """Returns what an HTTP request to a server tells (Starlette's); nothing where there is none."""
    headers = getattr(request, "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    facts = dict(_HTTP)
    for header, key in (
        ("mcp-session-id", semconv.MCP_SESSION_ID),
        ("mcp-protocol-version", semconv.MCP_PROTOCOL_VERSION),
    ):
        if value := as_text(headers.get(header)):
            facts[key] = value
    client = getattr(request, "client", None)
    if host := as_text(getattr(client, "host", None)):
        facts[semconv.CLIENT_ADDRESS] = host
        facts[semconv.CLIENT_PORT] = client.port  # type: ignore[union-attr]
    return facts


def note_version(sender: Any, result: Any) -> None:
    """Notes what version of the protocol was agreed on, from the answer to ``initialize``."""
    body = fields(result)
    version = body.get("protocolVersion") or body.get("protocol_version")
    if version is not None:
        _versions[sender] = str(version)


def version_in(meta: Mapping[str, Any] | None) -> Facts:
    """Returns the version that a request names: those of 2026 and later do."""
    version = as_text((meta or {}).get(_VERSION_KEY))
    return {semconv.MCP_PROTOCOL_VERSION: version} if version else {}


# --- where transports open their streams ------------------------------------------------------------------


def post_writer(wrapped: Any, transport: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``StreamableHTTPTransport.post_writer(client, reader, writer, write_stream, ...)``."""
    try:
        stream = args[3] if len(args) > 3 else kwargs.get("write_stream")
        living = weakref.ref(transport)
        _note(stream, lambda: _facts_of_transport(living()))
    except Exception as error:  # noqa: BLE001  foreign objects
        guard.fault("noting a transport of mcp", error)
    return wrapped(*args, **kwargs)


def _facts_of_transport(transport: Any) -> Facts:
    facts = {**_HTTP, **_address(getattr(transport, "url", None))}
    for name, key in (
        ("session_id", semconv.MCP_SESSION_ID),
        ("protocol_version", semconv.MCP_PROTOCOL_VERSION),
    ):
        if value := as_text(getattr(transport, name, None)):
            facts[key] = value
    return facts


def _address(url: Any) -> Facts:
    parts = urlsplit(str(url or ""))
    if not parts.hostname:
        return {}
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    address: Facts = {semconv.SERVER_ADDRESS: parts.hostname}
    return {**address, semconv.SERVER_PORT: port} if port else address


_OPENERS = (
    ("mcp.client.stdio", "stdio_client", _PIPE),
    ("mcp.server.stdio", "stdio_server", _PIPE),
    ("mcp.client.sse", "sse_client", _HTTP),
    ("mcp.client.websocket", "websocket_client", _WEBSOCKET),
)
"""Functions that open a transport, each an ``asynccontextmanager``, and what that says."""
OPENERS = {module: (name, facts) for module, name, facts in _OPENERS}


def watch(opener: Any, facts: Facts) -> Callable[[], None] | None:
    """Notes the streams that an ``asynccontextmanager`` opens, under whatever name an app holds it.

    Returns what undoes that; ``None`` where the function is made in another way.
    """
    function = getattr(opener, "__func__", opener)
    code, closure = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or not closure or _CELL not in code.co_freevars:
        return None
    cell = closure[code.co_freevars.index(_CELL)]
    original = cell.cell_contents

    def opened(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        url = args[0] if args else kwargs.get("url")
        known = {**facts, **(_address(url) if isinstance(url, str) else {})}
        return _Opened(wrapped(*args, **kwargs), known)

    ours = wrapt.FunctionWrapper(original, opened)
    cell.cell_contents = ours

    def undo() -> None:
        if cell.cell_contents is ours:
            cell.cell_contents = original

    return undo


class _Opened:
    """The generator of an ``asynccontextmanager``, with a look at what it yields."""

    def __init__(self, generator: Any, facts: Facts) -> None:
        self._generator = generator
        self._facts = facts

    def __aiter__(self) -> "_Opened":
        return self

    async def __anext__(self) -> Any:
        streams = await self._generator.__anext__()
        try:
            _note(streams[1], lambda: self._facts)
        except Exception as error:  # noqa: BLE001  foreign objects
            guard.fault("noting a transport of mcp", error)
        return streams

    def athrow(self, *error: Any) -> Any:
        return self._generator.athrow(*error)

    def aclose(self) -> Any:
        return self._generator.aclose()


def _note(stream: Any, facts: Callable[[], Facts]) -> None:
    key = _key(stream)
    if key is not None:
        _of_stream[key] = facts


def _key(stream: Any) -> Any:
    """Returns the stream itself of a stream that carries contexts, which cannot be held weakly."""
    return getattr(stream, "_inner", stream)
