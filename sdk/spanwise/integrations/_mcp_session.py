"""MCP's library 1.x: requests are models, sent by a session and answered through a responder."""

from typing import Any, get_args

from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from spanwise import guard
from spanwise.integrations._mcp_connection import Facts, facts_of, facts_of_http, note_version
from spanwise.integrations._mcp_exchange import Exchange, Message, begin, exchange_in
from spanwise.integrations._stainless_fields import as_text, fields, plain
from spanwise.suppression import attach, detach, get_current

_INITIALIZE = "initialize"


async def send(wrapped: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``BaseSession.send_request(request, ...)``, of whichever side."""
    request = args[0] if args else kwargs.get("request")

    def read() -> Message:
        root: Any = getattr(request, "root", request)
        params = fields(plain(getattr(root, "params", None)))
        request_id = getattr(session, "_request_id", None)
        return Message(as_text(root.method) or "", params, request_id, lambda: facts_of(session))

    exchange = begin(SpanKind.CLIENT, read)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    carried = _carrying(request, exchange)
    args, kwargs = ((carried, *args[1:]), kwargs) if args else (args, {**kwargs, "request": carried})
    token = attach(exchange.context)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        detach(token)
    _note(exchange, session, result)
    exchange.answer(result)
    return result


async def handle(wrapped: Any, server: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``Server._handle_request(message, req, session, ...)``; the answer is seen by ``respond``."""
    responder = args[0] if args else kwargs.get("message")
    session = args[2] if len(args) > 2 else kwargs.get("session")
    return await _answer(responder, session, wrapped, args, kwargs)


async def receive(wrapped: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``_received_request(responder)``: a client's sampling and so on, a server's ``initialize``."""
    responder = args[0] if args else kwargs.get("responder")
    is_server = type(session).__name__ == "ServerSession" or hasattr(session, "_init_options")
    if is_server and _method_of(responder) != _INITIALIZE:
        return await wrapped(*args, **kwargs)  # the server's handler follows
    return await _answer(responder, session, wrapped, args, kwargs)


async def _answer(
    responder: Any, session: Any, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    def read() -> Message:
        root = getattr(responder.request, "root", responder.request)
        return Message(
            _method_of(responder),
            fields(plain(getattr(root, "params", None))),
            responder.request_id,
            lambda: _facts(responder, session),
            fields(plain(responder.request_meta)),
        )

    exchange = begin(SpanKind.SERVER, read)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    exchange.responder = responder
    token = attach(exchange.context)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        detach(token)
    if exchange.is_open:  # nobody answered: the client has cancelled the request
        exchange.refuse(None, "Request cancelled")
    return result


async def respond(wrapped: Any, responder: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``RequestResponder.respond(response)``."""
    exchange = exchange_in(get_current())
    if exchange is not None and exchange.responder is responder and not responder.cancelled:
        response = args[0] if args else kwargs.get("response")
        root: Any = getattr(response, "root", response)
        _note(exchange, getattr(responder, "_session", None), root)
        if hasattr(root, "code") and hasattr(root, "message"):
            exchange.refuse(root.code, root.message)
        else:
            exchange.answer(root)
    return await wrapped(*args, **kwargs)


def _method_of(responder: Any) -> str:
    request = getattr(responder, "request", None)
    return as_text(getattr(getattr(request, "root", request), "method", None)) or ""


def _facts(responder: Any, session: Any) -> Facts:
    metadata = getattr(responder, "message_metadata", None)
    facts = facts_of(session)
    return {**facts, **facts_of_http(getattr(metadata, "request_context", None))}


def _note(exchange: Exchange, session: Any, result: Any) -> None:
    if exchange.method == _INITIALIZE:
        try:
            note_version(session, result)
        except Exception as error:  # noqa: BLE001  foreign objects
            guard.fault("reading an answer of mcp", error)


def _carrying(request: Any, exchange: Exchange) -> Any:
    """Returns a copy of a request with the span's context in ``params._meta``; the app's stays as it is."""
    try:
        carrier: dict[str, str] = {}
        inject(carrier, exchange.context)
        root = getattr(request, "root", request)
        params = root.params if root.params is not None else _empty_params(root)
        if not carrier or params is None:
            return request
        kind: Any = type(params)
        own = {} if params.meta is None else params.meta.model_dump(by_alias=True, exclude_unset=True)
        changed = params.model_copy(update={"meta": kind.Meta(**{**carrier, **own})})
        root_copy = root.model_copy(update={"params": changed})
        return root_copy if root is request else request.model_copy(update={"root": root_copy})
    except Exception as error:  # noqa: BLE001  the request goes without
        guard.fault("putting the context into an mcp request", error)
        return request


def _empty_params(root: Any) -> Any:
    """Returns empty parameters for a request that has none, of the class that its field wants."""
    wanted = type(root).model_fields["params"].annotation
    for kind in get_args(wanted) or (wanted,):
        if isinstance(kind, type) and hasattr(kind, "model_fields") and "meta" in kind.model_fields:
            return kind()
    return None
