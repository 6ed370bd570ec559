"""The collector as an ASGI app: OTLP in, JSON API out. Pages are added by ``spanwise_dashboards``.

``app.state`` carries ``settings``, ``store``, ``writer``, ``access`` and ``metrics`` for the routes; a page
package may set ``app.state.render_login`` (see ``routers.login``).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from inspect import signature
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from opentelemetry import context
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spanwise._version import __version__
from spanwise.redact import scrub
from spanwise_collector.auth import Access
from spanwise_collector.errors import BadRequest, CollectorError, NotFound
from spanwise_collector.gate import Gate, otlp_paths, problem
from spanwise_collector.ingest.cost import Pricer
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.ingest.suspects import suspects
from spanwise_collector.ingest.writer import Writer
from spanwise_collector.metrics import Metrics
from spanwise_collector.otlp_http import Receiver
from spanwise_collector.routers import facets, health, login, scores, sessions, traces
from spanwise_collector.settings import Settings
from spanwise_collector.store import Store, StoreSettings

_log = logging.getLogger(__name__)
_CORS_HEADERS = (
    "content-type",
    "content-encoding",
    "authorization",
    "x-api-key",
    "traceparent",
    "tracestate",
    "baggage",
)


# Newer FastAPI traces itself through the global provider: a collector must make no spans about itself.
_QUIET: dict[str, Any] = (
    {"telemetry": {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}}
    if "telemetry" in signature(FastAPI.__init__).parameters
    else {}
)


def create_app(settings: Settings, store: Store | None = None) -> FastAPI:
    """Returns the app. A store that is passed in stays open when the app stops; else the app has its own.

    Raises:
        CollectorError: The store cannot be opened (at start-up of the app, not here).
    """
    app = FastAPI(
        title="Spanwise",
        version=__version__,
        description="Traces of LLM applications: lists, single traces, sessions, facets.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
        lifespan=partial(_lifespan, settings=settings, given=store),
        **_QUIET,
    )
    metrics, access = Metrics(), Access(settings)
    app.state.settings, app.state.metrics, app.state.access = settings, metrics, access
    for router in (traces.router, sessions.router, facets.router, scores.router):
        app.include_router(router, prefix="/api/v1")
    app.include_router(health.router)
    app.include_router(login.router)
    for prefix in ("", *(item.rstrip("/") for item in settings.otlp_path_prefixes)):
        app.router.routes.append(Route(f"{prefix}/v1/{{signal:path}}", _OtlpEndpoint()))
    _handle_errors(app)
    if settings.cors_origins:
        app.add_middleware(_OtlpCors, settings=settings)
    app.add_middleware(Gate, settings=settings, access=access, metrics=metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings, given: Store | None) -> AsyncIterator[None]:
    store = given if given is not None else await asyncio.to_thread(open_store, settings)
    metrics: Metrics = app.state.metrics
    limits: Any = {"max_queue_bytes": settings.max_queue_bytes, "linger_s": settings.linger_ms / 1000}
    writer = Writer(store.insert_spans, metrics, **limits)
    score_writer = Writer(store.insert_scores, metrics, **limits)
    vector_writer = Writer(store.insert_vectors, metrics, **limits)
    pricer = Pricer()
    pipeline = Pipeline(pricer, settings.retention_days, scrub if settings.redact else None)
    receiver = Receiver(settings, app.state.access, pipeline, writer, score_writer, vector_writer, metrics)
    app.state.store, app.state.writer, app.state.receiver = store, writer, receiver
    app.state.score_writer, app.state.pipeline = score_writer, pipeline
    writer.start()
    score_writer.start()
    vector_writer.start()
    warming = asyncio.create_task(asyncio.to_thread(_warm, pricer, app))
    try:
        yield
    finally:
        await writer.stop()
        await score_writer.stop()
        await vector_writer.stop()
        await warming
        receiver.close()
        if given is None:
            await asyncio.to_thread(store.close)


def _warm(pricer: Pricer, app: FastAPI) -> None:
    pricer.warm()
    suspects([""])
    # What a process runner wants done once everything long-lived is loaded.
    when_warm: Callable[[], None] | None = getattr(app.state, "when_warm", None)
    if when_warm is not None:
        when_warm()


def open_store(settings: Settings) -> Store:
    """Opens the store that the settings name.

    Raises:
        Unavailable: Another process holds the folder, or the server does not answer.
    """
    return Store.open(
        StoreSettings(
            data_dir=None if settings.clickhouse_url else settings.data_dir,
            clickhouse_url=settings.clickhouse_url,
            fsync=settings.fsync,
            retention_days=settings.retention_days,
        )
    )


class _OtlpEndpoint:
    """Hands a request to the receiver, whatever its method: the wrong ones get OTLP's answer there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; nothing that it does is traced, so that the collector never feeds itself."""
        request = Request(scope, receive)
        receiver: Receiver = request.app.state.receiver
        token = context.attach(context.set_value("suppress_instrumentation", True))
        try:
            response = await receiver.answer(request)
        finally:
            context.detach(token)
        await response(scope, receive, send)


class _OtlpCors:
    """Lets configured origins send OTLP, and nothing else: they must not read the API through a visitor."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=list(settings.cors_origins),
            allow_methods=["POST"],
            allow_headers=list(_CORS_HEADERS),
            max_age=7200,
        )
        self._is_otlp = otlp_paths(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, with CORS headers when it is OTLP."""
        is_otlp = scope["type"] == "http" and self._is_otlp.match(scope["path"])
        await (self._cors if is_otlp else self._app)(scope, receive, send)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(CollectorError)
    async def _of_ours(request: Request, error: CollectorError) -> Response:
        return problem(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def _of_parameters(request: Request, error: RequestValidationError) -> Response:
        parts = [
            f"{'.'.join(str(step) for step in item['loc'][1:])}={item.get('input')!r:.80}: {item['msg']}"
            for item in error.errors()
        ]
        refusal = BadRequest("; ".join(parts), fix="see /api/v1/openapi.json for what each parameter takes")
        return problem(refusal, request.url.path)

    @app.exception_handler(HTTPException)
    async def _of_routing(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return problem(NotFound(f"there is nothing at {request.url.path}"), request.url.path)
        refusal = CollectorError(f"{request.method} {request.url.path}: {error.detail}")
        refusal.status, refusal.title = error.status_code, str(error.detail)
        response = problem(refusal, request.url.path)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _of_surprise(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(CollectorError("internal error, see the server's log"), request.url.path)
