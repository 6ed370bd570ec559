"""One HTTP request to the OTLP endpoint, and what its answer means.

Nothing here waits between attempts or keeps spans: the worker decides. Sends over urllib3 with a timeout for
the whole exchange, never follows redirects (they would carry credentials elsewhere), never raises.

Source: OpenTelemetry OTLP/HTTP specification, section "OTLP/HTTP Response".
"""

import gzip
import logging
import time
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry.sdk.version import __version__ as _sdk_version

from spanwise._version import __version__
from spanwise.config import Config

if TYPE_CHECKING:  # imported by the worker when it first sends: that takes longer than all of ours together
    import urllib3

logger = logging.getLogger("spanwise")

_RETRYABLE = frozenset({429, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_CONNECT_S = 5.0
USER_AGENT = f"spanwise/{__version__} OTel-OTLP-Exporter-Python/{_sdk_version}"
IDENTITY_HEADER = "x-spanwise"
"""Sent by Spanwise's collector with every answer to ``GET /healthz``; its value is the version."""


class Verdict(Enum):
    """What became of one request."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    """A passing fault: the same request may be sent again."""
    REFUSED = "refused"
    """The endpoint will never accept this request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request.

    ``rejected_spans`` and ``message`` are those of a partial success; ``retry_after_s`` is the endpoint's
    own wish; ``is_listening`` is False when nothing accepted the connection.
    """

    verdict: Verdict
    reason: str = ""
    status: int = 0
    retry_after_s: float | None = None
    rejected_spans: int = 0
    message: str = ""
    is_listening: bool = True


class Sender:
    """Posts encoded requests to one endpoint over one kept-alive connection.

    Used by one thread at a time (the worker's).
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        address = urlsplit(config.endpoint)
        self._host = address.hostname or ""
        self._origin = f"{address.scheme}://{address.netloc}"
        self._headers = {
            **config.headers,
            "user-agent": USER_AGENT,
            "content-type": "application/x-protobuf",
        }
        if config.compression != "none":
            self._headers["content-encoding"] = config.compression
        self._pool: urllib3.PoolManager | None = None

    @property
    def is_loopback(self) -> bool:
        """True when the endpoint is on this machine."""
        return self._host in _LOOPBACK

    @property
    def where(self) -> str:
        """The endpoint for log lines: without path, query and credentials."""
        return self._origin.rpartition("@")[2] if "@" in self._origin else self._origin

    def reset(self) -> None:
        """Forgets the connection without closing it: a forked child shares its parent's socket."""
        self._pool = None

    def close(self) -> None:
        """Closes the connection."""
        if self._pool is not None:
            self._pool.clear()

    def post(self, body: bytes, timeout_s: float) -> Answer:
        """Sends one request; a connection that had gone stale is replaced once, at once."""
        from urllib3.exceptions import HTTPError, ProtocolError

        deadline = time.monotonic() + timeout_s
        if self._config.compression == "gzip":
            body = gzip.compress(body, compresslevel=1)
        elif self._config.compression == "deflate":
            body = zlib.compress(body, 1)
        for is_last in (False, True):
            try:
                return self._exchange(body, deadline)
            except ProtocolError as error:
                # The endpoint closed a kept-alive connection just as it was used.
                if is_last or time.monotonic() > deadline:
                    return unanswered(error)
            except (HTTPError, OSError, ValueError) as error:
                return unanswered(error)
        raise AssertionError("unreachable: the last attempt returns")

    def is_spanwise(self, timeout_s: float) -> bool:
        """Asks the endpoint's ``/healthz`` whether Spanwise is listening there.

        Raises:
            OSError, urllib3.exceptions.HTTPError: nothing answered, so that it is not known.
        """
        answer = self._open_pool().request(
            "GET",
            f"{self._origin}/healthz",
            headers={"user-agent": USER_AGENT},
            timeout=_timeout(timeout_s),
            redirect=False,
            preload_content=False,
        )
        try:
            return IDENTITY_HEADER in answer.headers
        finally:
            answer.close()

    def _exchange(self, body: bytes, deadline: float) -> Answer:
        response = self._open_pool().request(
            "POST",
            self._config.endpoint,
            body=body,
            headers=self._headers,
            timeout=_timeout(max(0.05, deadline - time.monotonic())),
            redirect=False,
            preload_content=False,
        )
        try:
            content, is_whole = _read(response, deadline)
            if not is_whole:
                response.close()
        finally:
            response.release_conn()
        if 200 <= response.status < 300:
            return _accepted(response.status, content, response.headers.get("content-type", ""))
        reason = f"HTTP {response.status} {response.reason or ''}".strip()
        if response.status in _RETRYABLE:
            wish = _retry_after(response.headers.get("retry-after"))
            return Answer(Verdict.RETRY, reason, response.status, retry_after_s=wish)
        return Answer(Verdict.REFUSED, reason, response.status, message=_excerpt(content))

    def _open_pool(self) -> "urllib3.PoolManager":
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> "urllib3.PoolManager":
        from urllib.request import getproxies, proxy_bypass

        import urllib3

        config = self._config
        settings: dict[str, object] = {"num_pools": 1, "maxsize": 1, "retries": False}
        if config.endpoint.startswith("https:"):
            settings["cert_reqs"] = "CERT_REQUIRED"
            settings["ca_certs"] = config.certificate
            settings["cert_file"] = config.client_certificate
            settings["key_file"] = config.client_key
        proxy = None if self.is_loopback else getproxies().get(urlsplit(config.endpoint).scheme)
        if proxy and not proxy_bypass(self._host):
            return urllib3.ProxyManager(proxy, **settings)  # type: ignore[arg-type]
        return urllib3.PoolManager(**settings)  # type: ignore[arg-type]


def unanswered(error: Exception) -> Answer:
    """Returns the answer that stands for none: connection refused or lost, or out of time."""
    from urllib3.exceptions import NewConnectionError

    return Answer(Verdict.RETRY, _reason(error), is_listening=not isinstance(error, NewConnectionError))


def _timeout(total_s: float) -> "urllib3.Timeout":
    import urllib3

    return urllib3.Timeout(total=total_s, connect=min(total_s, _MAX_CONNECT_S))


def _read(response: "urllib3.BaseHTTPResponse", deadline: float) -> tuple[bytes, bool]:
    """Reads a short answer, and tells whether that was all of it.

    An endpoint that drips bytes for ever is cut off at the deadline.
    """
    content = b""
    while len(content) < _MAX_ANSWER_BYTES and time.monotonic() < deadline:
        piece = response.read(4096)
        if not piece:
            return content, True
        content += piece
    return content, False


def _accepted(status: int, content: bytes, content_type: str) -> Answer:
    """Reads a partial success from the body; most bodies are empty."""
    if not content or "json" in content_type:
        return Answer(Verdict.ACCEPTED, status=status)
    # Imported late: an ordinary run never needs it.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    parsed = ExportTraceServiceResponse()
    try:
        parsed.ParseFromString(content)
    except DecodeError:
        return Answer(Verdict.ACCEPTED, status=status)  # a 200 is a 200, whatever prose follows
    partial = parsed.partial_success
    return Answer(
        Verdict.ACCEPTED,
        status=status,
        rejected_spans=partial.rejected_spans,
        message=partial.error_message,
    )


def _retry_after(value: str | None) -> float | None:
    """Returns the seconds that a ``Retry-After`` header asks for, given as seconds or as a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    import email.utils

    try:
        return max(0.0, email.utils.parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _excerpt(content: bytes) -> str:
    """Returns the readable characters of an error body, for the log."""
    shown = content[:300].decode("utf-8", "replace")
    return "".join(char for char in shown if char.isprintable()).strip()


def _reason(error: BaseException) -> str:
    """Returns a short reason without the object addresses that urllib3 puts into its messages."""
    from urllib3.exceptions import HTTPError

    cause: BaseException = error
    while isinstance(cause, HTTPError) and (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
