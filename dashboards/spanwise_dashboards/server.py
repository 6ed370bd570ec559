"""One server out of all parts: the collector's app with the pages on it."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from spanwise_collector.app import create_app
from spanwise_collector.settings import Settings
from spanwise_collector.store import Store
from spanwise_dashboards.markup import STATIC, static_version
from spanwise_dashboards.pages import reference, sessions, trace, traces
from spanwise_dashboards.pages.shell import error_page, render

_NOT_PAGES = ("/api/", "/v1/", "/healthz", "/readyz", "/metrics", "/static/")


class ForeverFiles(StaticFiles):
    """Static files under an address that holds their hash, so browsers may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answers a file with an immutable cache header."""
        answer = await super().get_response(path, scope)
        if answer.status_code == 200:
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        answer.headers["x-content-type-options"] = "nosniff"
        return answer


def create_server(settings: Settings, store: Store | None = None) -> FastAPI:
    """Returns the whole server: OTLP, JSON API and pages on one port.

    A store that is passed in stays open when the server stops.
    """
    app = create_app(settings, store)
    app.state.render_login = render_login
    for pages in (traces, trace, sessions, reference):
        app.include_router(pages.router)
    app.mount(f"/static/{static_version()}", ForeverFiles(directory=STATIC), name="static")
    _show_missing_pages(app)
    return app


def render_login(request: Request, problem: str, next_path: str) -> HTMLResponse:
    """Returns the login page; ``problem`` says why an attempt failed, ``next_path`` where to go after."""
    return render(request, "login.html", next_url=next_path, problem=problem)


def _show_missing_pages(app: FastAPI) -> None:
    """Draws 404 and 405 as a page for paths that are pages; API and OTLP paths keep their own answers."""
    before: Any = app.exception_handlers.get(HTTPException)

    async def handle(request: Request, error: HTTPException) -> Response:
        is_page = not request.url.path.startswith(_NOT_PAGES)
        if is_page and error.status_code in (404, 405) and request.method in ("GET", "HEAD"):
            return error_page(request, 404, f"There is no page {request.url.path}")
        answer: Response = await before(request, error)
        return answer

    if before is not None:
        app.add_exception_handler(HTTPException, handle)  # type: ignore[arg-type]
