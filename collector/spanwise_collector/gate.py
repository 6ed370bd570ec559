"""What every request passes first: Host and Origin, login, content types of writes, and counting the answers.

Pure ASGI, so that streamed bodies and answers pass untouched. A server on loopback has no login, hence a web
page anywhere could talk to it through the visitor's browser: Host must name this machine (DNS rebinding), and
a write must come from our own pages (Origin) with a content type that a plain form cannot send.
"""

import re
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

import orjson
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanwise_collector.auth import COOKIE, Access, Forbidden, TooManyRequests, Unauthorized
from spanwise_collector.errors import BadRequest, CollectorError, Unavailable
from spanwise_collector.metrics import Metrics
from spanwise_collector.otlp_status import encoding_of, failure
from spanwise_collector.settings import Settings, is_loopback

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/logout"})
SCORES_PATH = "/api/v1/scores"
"""What a sender may write with its key, as it may send spans."""
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))


class UnsupportedType(BadRequest):
    """A write whose content type is not accepted."""

    status = 415
    title = "Content type not accepted"


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, settings: Settings, access: Access, metrics: Metrics) -> None:
        self._app, self._settings, self._access, self._metrics = app, settings, access, metrics
        self._otlp = otlp_paths(settings)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.cors_origins)
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        area = self._area(scope["path"])
        headers = Headers(scope=scope)
        counted = self._counting(send, area)
        try:
            self._check_host(headers)
            if scope["method"] not in _READS:
                self._check_write(scope, headers, area)
            refusal = await self._check_login(scope, headers, area)
        except CollectorError as error:
            refusal = _answer(error, area, headers, scope["path"])
        await (refusal or self._app)(scope, receive, counted)

    def _area(self, path: str) -> str:
        if self._otlp.match(path):
            return "otlp"
        if path.startswith("/api/"):
            return "api"
        return "health" if path in ("/healthz", "/readyz", "/metrics") else "page"

    def _counting(self, send: Send, area: str) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(area, message["status"]).inc()
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in _HEADERS if pair[0] not in present),
                ]
            await send(message)

        return counted

    def _check_host(self, headers: Headers) -> None:
        if not self._settings.is_loopback and not self._hosts:
            return
        host = _host_name(headers.get("host", ""))
        if host in self._hosts or (self._settings.is_loopback and is_loopback(host)):
            return
        raise Forbidden(
            f"this server does not answer to the host name {host!r}",
            fix="use http://127.0.0.1, or add the name with --allowed-hosts",
        )

    def _check_write(self, scope: Scope, headers: Headers, area: str) -> None:
        origin = headers.get("origin")
        may_send = area == "otlp" and origin is not None and origin.rstrip("/").lower() in self._origins
        if origin is not None and not may_send:
            same = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
            if not same or origin == "null":
                raise Forbidden(
                    f"a page of {origin!r} may not write here",
                    fix="add the origin with --cors-origins if you trust it",
                )
        if area == "api" and encoding_of(headers.get("content-type", "")) != "json":
            if scope["method"] == "DELETE" and "content-type" not in headers:
                return
            given = headers.get("content-type", "")
            raise UnsupportedType(f"Content-Type {given!r}", fix="send application/json")

    async def _check_login(self, scope: Scope, headers: Headers, area: str) -> Response | None:
        path: str = scope["path"]
        if path == SCORES_PATH and scope["method"] == "POST" and not self._access.needs_login:
            self._access.check_ingest(headers)
        if not self._access.needs_login or area == "otlp" or path in _OPEN_PATHS:
            return None
        if path.startswith("/static/"):
            return None
        address = (scope.get("client") or ("", 0))[0]
        if await self._access.is_allowed(headers, _cookie(headers), address):
            return None
        is_for_key = path == "/metrics" or (path == SCORES_PATH and scope["method"] == "POST")
        if is_for_key and self._access.is_ingest_key(headers):
            return None
        wants_page = "text/html" in headers.get("accept", "") and scope["method"] in _READS
        if area == "page" and wants_page:
            target = path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)
        raise Unauthorized(
            "the pages and the API of this server need a login",
            fix="open /login, or send the password as Authorization: Bearer",
        )


def otlp_paths(settings: Settings) -> re.Pattern[str]:
    """Returns a pattern that matches the paths of OTLP, configured prefixes included."""
    prefixes = "|".join(re.escape(prefix.rstrip("/")) for prefix in settings.otlp_path_prefixes)
    return re.compile(rf"(?:{prefixes})?/v1/" if prefixes else "/v1/")


def problem(error: CollectorError, path: str) -> Response:
    """Returns an error as RFC 9457 problem+json, with the fix as a member of its own."""
    document = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "instance": path,
    }
    if error.fix:
        document["fix"] = error.fix
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, (Unavailable, TooManyRequests)):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="spanwise"'
    return Response(orjson.dumps(document), error.status, headers, media_type="application/problem+json")


def _answer(error: CollectorError, area: str, headers: Headers, path: str) -> Response:
    if area == "otlp":
        text = f"{error.message}: {error.fix}" if error.fix else error.message
        return failure(error.status, text, encoding_of(headers.get("content-type", "")))
    return problem(error, path)


def _host_name(header: str) -> str:
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _cookie(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:  # a foreign cookie that the standard library cannot read is not ours
        return None
    return morsel.value if morsel else None
