"""The Model Context Protocol's SDK, 1.x and 2.x: requests of either side, and the work on them, as one trace.

The sender's context travels in the request's ``params._meta``, whatever the transport; who answers continues
it. The 2.x library starts spans of its own: ours take their place, so that there is one a request.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from spanwise import semconv
from spanwise.integrations import _mcp_dispatch, _mcp_session
from spanwise.integrations._declaration import Integration
from spanwise.integrations._mcp_connection import OPENERS, post_writer, watch
from spanwise.integrations._patch import apply, when_imported

_PLACES: dict[str, dict[str, Any]] = {
    "mcp.shared.session": {
        "BaseSession.send_request": _mcp_session.send,
        "RequestResponder.respond": _mcp_session.respond,
    },
    "mcp.client.session": {
        "ClientSession._received_request": _mcp_session.receive,
        "ClientSession._on_request": _mcp_dispatch.answer_as_client,
    },
    "mcp.server.session": {"ServerSession._received_request": _mcp_session.receive},
    "mcp.server.lowlevel.server": {"Server._handle_request": _mcp_session.handle},
    "mcp.client.streamable_http": {"StreamableHTTPTransport.post_writer": post_writer},
    "mcp.shared.jsonrpc_dispatcher": {
        "JSONRPCDispatcher.send_raw_request": _mcp_dispatch.send,
        "otel_span": _mcp_dispatch.own_span,
    },
    "mcp.shared.direct_dispatcher": {
        "DirectDispatcher.send_raw_request": _mcp_dispatch.send,
        "_DirectDispatchContext.send_raw_request": _mcp_dispatch.send,
    },
    "mcp.server.runner": {"ServerRunner._on_request": _mcp_dispatch.answer_as_server},
    "mcp.server._otel": {"otel_span": _mcp_dispatch.own_span},
}
"""Module -> what is wrapped in it; no version has all of them."""


def listen(mcp: Any) -> Callable[[], None]:
    """Wraps both sides of a connection wherever this version has them; returns the undo.

    Args:
        mcp: The module ``mcp``.
    """
    undos: list[Callable[[], object]] = []
    is_on = [True]

    def arrived(module: Any) -> None:
        if is_on[0]:
            undos.extend(_wrapped(module, is_on))

    for name in {*_PLACES, *OPENERS}:
        when_imported(name, arrived)

    def undo() -> None:
        is_on[0] = False
        for undo_one in undos:
            undo_one()

    return undo


def _wrapped(module: Any, is_on: list[bool]) -> Iterator[Callable[[], object]]:
    """Wraps what there is to wrap in a module; yields what undoes it."""
    for path, wrapper in _PLACES.get(module.__name__, {}).items():
        if _has(module, path):
            yield apply(module, path, functools.partial(_while_on, is_on, wrapper)).remove
    if module.__name__ in OPENERS:
        name, facts = OPENERS[module.__name__]
        undo_watch = watch(getattr(module, name, None), facts)
        if undo_watch is not None:
            yield undo_watch


def _while_on(
    is_on: list[bool],
    wrapper: Any,
    wrapped: Any,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Passes calls through that come after the undo: where others wrapped us, our wrapper has to stay."""
    return wrapper(wrapped, instance, args, kwargs) if is_on[0] else wrapped(*args, **kwargs)


def _has(module: Any, path: str) -> bool:
    owner, _, method = path.partition(".")
    found = getattr(module, owner, None)
    return found is not None and (not method or method in vars(found))


INTEGRATION = Integration(
    name="mcp",
    module="mcp",
    distribution="mcp",
    versions=">=1.8,<3",
    listen=listen,
    operations=(semconv.OP_EXECUTE_TOOL,),
    captures="requests of clients and servers with their context: tools with arguments and results, prompts, "
    "resources, lists, sampling",
)
