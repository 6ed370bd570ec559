"""What every page shares: the request's clock and theme, rendering with security headers, errors as pages."""

import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from spanwise_collector.errors import CollectorError
from spanwise_collector.store import Store
from spanwise_dashboards import format as fmt
from spanwise_dashboards.markup import SECURITY_HEADERS, THEME_COOKIE, ZONE_COOKIE, environment, zone_of
from spanwise_dashboards.query import PRESETS, BadQuery

PROJECT = "default"
THEMES = ("light", "dark")
_log = logging.getLogger(__name__)
_PRESET_LABELS = [*((key, label) for key, (label, _) in PRESETS.items()), ("all", "All time")]


def store_of(request: Request) -> Store:
    """Returns the store behind the running app."""
    store: Store = request.app.state.store
    return store


def clock_of(request: Request) -> fmt.Clock:
    """Returns the reader's clock: their zone, this moment."""
    return fmt.Clock(zone_of(request.cookies), time.time_ns())


def is_fragment(request: Request) -> bool:
    """True when a script of ours asked for a part of a page."""
    return "x-fragment" in request.headers


def render(
    request: Request, template: str, *, section: str = "", http_status: int = 200, **context: Any
) -> HTMLResponse:
    """Returns a page or a fragment with the security headers on it."""
    theme = request.cookies.get(THEME_COOKIE, "")
    settings = getattr(request.app.state, "settings", None)
    values: dict[str, Any] = {
        "section": section,
        "theme": theme if theme in THEMES else "",
        "zone_key": request.cookies.get(ZONE_COOKIE, "UTC").replace("%2F", "/"),
        "clock": context.pop("clock", None) or clock_of(request),
        "presets": _PRESET_LABELS,
        "can_log_out": bool(getattr(settings, "ui_password", None)),
        **context,
    }
    body = environment().get_template(template).render(values)
    # Lone surrogates cannot be encoded; they became code points before, so replacing is the last guard only.
    return HTMLResponse(body.encode("utf-8", "replace"), status_code=http_status, headers=SECURITY_HEADERS)


def error_page(request: Request, status: int, message: str, fix: str = "") -> HTMLResponse:
    """Returns an error as a page, or as one line where a fragment was asked for."""
    headings = {400: "This address cannot be read", 404: "Not found", 503: "The store does not answer"}
    if is_fragment(request):
        return HTMLResponse(
            environment().from_string('<p class="muted small">{{ m }}</p>').render(m=message),
            status_code=status,
            headers=SECURITY_HEADERS,
        )
    retry = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return render(
        request,
        "error.html",
        http_status=status,
        status_code=status,
        heading=headings.get(status, "Something failed here"),
        message=message,
        fix=fix,
        retry_url=retry if status >= 500 else "",
    )


class PageRoute(APIRoute):
    """A route whose errors are pages, not JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the handler so that a collector error or a bad query becomes an error page."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except CollectorError as error:
                return error_page(request, error.status, error.message, error.fix)
            except BadQuery as error:
                return error_page(request, 400, str(error))
            except Exception:  # noqa: BLE001 - the last guard: logged, and shown as a page instead of JSON
                _log.exception("GET %s failed", request.url.path)
                return error_page(request, 500, "This page could not be drawn; the server's log says why.")

        return handle
