"""MCP's library 2.x: requests pass through dispatchers, as JSON.

The library has spans of its own, through ``otel_span``: where ours is open, that is given a span that records
nothing, with our ids. The context is put into ``_meta`` by the library.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanKind, get_current_span

from spanwise import guard, runtime, semconv
from spanwise.integrations._mcp_connection import (
    Facts,
    facts_of,
    facts_of_http,
    note_version,
    version_in,
)
from spanwise.integrations._mcp_exchange import Exchange, Message, begin, exchange_in
from spanwise.integrations._stainless_fields import as_text, fields
from spanwise.suppression import attach, detach, get_current


async def send(wrapped: Any, dispatcher: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``send_raw_request(method, params, opts)`` of a dispatcher, of whichever side."""

    def read() -> Message:
        method, params = _request(args, kwargs)
        named = version_in(_meta(params))
        return Message(method, params, facts=lambda: {**named, **facts_of(dispatcher)})

    exchange = begin(SpanKind.CLIENT, read)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    result = await _within(exchange, wrapped, args, kwargs)
    if exchange.method == "initialize":
        _note(dispatcher, result)
    exchange.answer(result)
    return result


async def answer_as_server(wrapped: Any, runner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``ServerRunner._on_request(dctx, method, params)``."""
    connection = getattr(runner, "connection", None)

    def facts() -> Facts:
        found: Facts = {}
        for name, key in (
            ("protocol_version", semconv.MCP_PROTOCOL_VERSION),
            ("session_id", semconv.MCP_SESSION_ID),
        ):
            if value := as_text(getattr(connection, name, None)):
                found[key] = value
        return found

    return await _answer(facts, wrapped, args, kwargs)


async def answer_as_client(wrapped: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around ``ClientSession._on_request(dctx, method, params)``: sampling, elicitation, roots."""
    return await _answer(lambda: facts_of(getattr(session, "_dispatcher", None)), wrapped, args, kwargs)


async def _answer(facts: Any, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def read() -> Message:
        around = args[0] if args else kwargs.get("dctx")
        method, params = _request(args[1:], kwargs)
        of_channel = facts_of(_dispatcher_of(around))
        metadata = getattr(around, "message_metadata", None)
        of_channel.update(facts_of_http(getattr(metadata, "request_context", None)))
        return Message(
            method,
            params,
            request_id=getattr(around, "request_id", None),
            facts=lambda: {**of_channel, **facts()},
            meta=_meta(params),
        )

    exchange = begin(SpanKind.SERVER, read)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    result = await _within(exchange, wrapped, args, kwargs)
    exchange.answer(result)
    return result


async def _within(exchange: Exchange, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = attach(exchange.context)
    try:
        return await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        detach(token)


def own_span(
    wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AbstractContextManager[Any]:
    """Around ``otel_span(name, kind=..., attributes=...)``: none of the library's where ours is open."""
    exchange = exchange_in(get_current())
    kind, attributes = kwargs.get("kind"), kwargs.get("attributes") or {}
    method = attributes.get(semconv.MCP_METHOD)
    if exchange is not None and isinstance(kind, SpanKind) and exchange.lend(kind, method):
        exchange.number(attributes.get(semconv.JSONRPC_REQUEST_ID))
        return nullcontext(NonRecordingSpan(exchange.span.get_span_context()))
    is_notification = kind is SpanKind.SERVER and semconv.JSONRPC_REQUEST_ID not in attributes
    if is_notification and kwargs.get("context") is None and _would_be_alone():
        return nullcontext(INVALID_SPAN)
    return wrapped(*args, **kwargs)  # type: ignore[no-any-return]


def _would_be_alone() -> bool:
    """Tells whether a notification's span would be a trace of its own, which says nothing."""
    return runtime.current() is not None and not get_current_span().get_span_context().is_valid


def _request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
    method = args[0] if args else kwargs.get("method")
    params = args[1] if len(args) > 1 else kwargs.get("params")
    return as_text(method) or "", fields(params)


def _meta(params: Any) -> Any:
    return fields(fields(params).get("_meta"))


def _dispatcher_of(context: Any) -> Any:
    """Returns the dispatcher that a request came through; some contexts are wrapped in another one."""
    inner = getattr(context, "_inner", context)
    return getattr(inner, "_dispatcher", None)


def _note(dispatcher: Any, result: Any) -> None:
    try:
        note_version(dispatcher, result)
    except Exception as error:  # noqa: BLE001  foreign objects
        guard.fault("reading an answer of mcp", error)
