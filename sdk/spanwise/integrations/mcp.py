"""The Model Context Protocol's SDK, 1.x and 2.x: a client's request and the server's work on it as one trace.

The client's context travels in the request's ``params._meta``, whatever the transport; the server continues
it. The 2.x SDK traces itself: it is given our span to write to, so that there is one.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from spanwise import guard, semconv
from spanwise.integrations._declaration import Integration
from spanwise.integrations._mcp_exchange import METHOD, Exchange, begin, continued, exchange_in
from spanwise.integrations._patch import Patch, apply, when_imported
from spanwise.integrations._stainless_fields import fields, plain
from spanwise.suppression import attach, detach, get_current


async def _send(wrapped: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``ClientSession.send_request(request, ...)``."""
    request = args[0] if args else kwargs.get("request")
    root = getattr(request, "root", request)
    params = fields(plain(getattr(root, "params", None)))
    exchange = begin(SpanKind.CLIENT, getattr(root, "method", ""), params, get_current())
    if exchange is None:
        return await wrapped(*args, **kwargs)
    if not _injects_itself():
        carried = _carrying(request, exchange)
        args, kwargs = ((carried, *args[1:]), kwargs) if args else (args, {**kwargs, "request": carried})
    return await _within(exchange, wrapped, args, kwargs)


async def _within(exchange: Exchange, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = attach(exchange.context)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        detach(token)
    exchange.answer(result)
    return result


async def _handle(wrapped: Any, server: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around 1.x's ``Server._handle_request(message, req, ...)``; the answer is seen by ``_respond``."""
    request = args[1] if len(args) > 1 else kwargs.get("req")
    body = fields(plain(request))
    params = fields(body.get("params"))
    meta = fields(plain(getattr(getattr(request, "params", None), "meta", None)))
    exchange = begin(SpanKind.SERVER, str(body.get("method") or ""), params, continued(meta, get_current()))
    if exchange is None:
        return await wrapped(*args, **kwargs)
    return await _within(exchange, wrapped, args, kwargs)


async def _respond(wrapped: Any, responder: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around 1.x's ``RequestResponder.respond(response)``."""
    exchange = exchange_in(get_current())
    response = args[0] if args else kwargs.get("response")
    if exchange is not None and response is not None:
        root = getattr(response, "root", response)
        if hasattr(root, "code") and hasattr(root, "message"):
            exchange.refuse(root.code, root.message)
        else:
            exchange.answer(root)
    return await wrapped(*args, **kwargs)


async def _serve(wrapped: Any, middleware: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around 2.x's ``OpenTelemetryMiddleware.__call__(ctx, call_next)``."""
    message = args[0] if args else kwargs.get("ctx")
    method = getattr(message, "method", "") if getattr(message, "request_id", None) is not None else ""
    parent = continued(fields(plain(getattr(message, "meta", None))), get_current())
    exchange = begin(SpanKind.SERVER, method, fields(getattr(message, "params", None)), parent)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    return await _within(exchange, wrapped, args, kwargs)


def _own_span(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around 2.x's ``otel_span(name, attributes=..., ...)``: lends ours where it is of the same request."""
    exchange = exchange_in(get_current())
    attributes = kwargs.get("attributes") or {}
    if exchange is None or attributes.get(METHOD) != exchange.method:
        return wrapped(*args, **kwargs)
    return _lent(exchange, {key: value for key, value in attributes.items() if not key.startswith("gen_ai.")})


@contextmanager
def _lent(exchange: Exchange, attributes: dict[str, Any]) -> Iterator[Any]:
    exchange.span.set_attributes(attributes)
    yield exchange.span


def _injects_itself() -> bool:
    return "mcp.shared._otel" in sys.modules


def _carrying(request: Any, exchange: Exchange) -> Any:
    """Returns a copy of a 1.x request with the span's context in ``params._meta``; the app's stays."""
    try:
        carrier: dict[str, str] = {}
        inject(carrier, exchange.context)
        root = getattr(request, "root", request)
        params = root.params
        if params is None:
            if "PaginatedRequest" not in "".join(kind.__name__ for kind in type(root).__mro__):
                return request
            from mcp import types

            params = types.PaginatedRequestParams()
        meta = type(params).Meta(**{**fields(plain(params.meta)), **carrier})
        changed = root.model_copy(update={"params": params.model_copy(update={"meta": meta})})
        return changed if root is request else type(request)(changed)
    except Exception as error:  # noqa: BLE001  the request goes without
        guard.fault("putting the context into an mcp request", error)
        return request


_PLACES: dict[str, dict[str, Any]] = {
    "mcp.client.session": {"ClientSession.send_request": _send},
    "mcp.server.lowlevel.server": {"Server._handle_request": _handle},
    "mcp.shared.session": {"RequestResponder.respond": _respond},
    "mcp.shared.jsonrpc_dispatcher": {"otel_span": _own_span},
    "mcp.server._otel": {"OpenTelemetryMiddleware.__call__": _serve, "otel_span": _own_span},
}
"""Module -> what is wrapped in it; no version has all of them."""


def listen(mcp: Any) -> Callable[[], None]:
    """Wraps both sides of a session wherever this version has them; returns the undo.

    Args:
        mcp: The module ``mcp``.
    """
    patches: list[Patch] = []
    is_on = [True]

    def patch(module: Any, places: dict[str, Any]) -> None:
        for path, wrapper in places.items():
            if is_on[0] and hasattr(module, path.partition(".")[0]):
                try:
                    patches.append(apply(module, path, wrapper))
                except AttributeError:
                    continue  # this version has the class, but not the method

    for module, places in _PLACES.items():
        when_imported(module, functools.partial(patch, places=places))

    def undo() -> None:
        is_on[0] = False
        for each in patches:
            each.remove()

    return undo


INTEGRATION = Integration(
    name="mcp",
    module="mcp",
    distribution="mcp",
    versions=">=1.9,<3",
    listen=listen,
    operations=(semconv.OP_EXECUTE_TOOL,),
    captures="requests of clients and servers: tools with arguments and results, prompts, resources, lists",
)
