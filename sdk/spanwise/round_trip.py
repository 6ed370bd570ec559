"""Whether the endpoint answers, who it is, whether its clock agrees, and whether a span comes back."""

import email.utils
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from spanwise import semconv
from spanwise.config import TRACES_PATH, CaptureMode, Config
from spanwise.finding import Finding
from spanwise.pipeline import Pipeline
from spanwise.sender import IDENTITY_HEADER, unanswered

SECTION = "Endpoint"
_TIMEOUT_S = 5.0
_READ_BACK_S = 10.0
_MAX_SKEW_S = 5.0
"""The ``Date`` header counts whole seconds, so that anything below two is no skew at all."""


def check_endpoint(config: Config) -> Iterator[Finding]:
    """Yields findings; stops at the first that makes the following ones pointless."""
    address = urlsplit(config.endpoint)
    origin = f"{address.scheme}://{address.netloc}"
    pool = _new_pool(config)
    asked_at = time.time()
    try:
        answer = pool.request("GET", f"{origin}/healthz", redirect=False)
    except (HTTPError, OSError, ValueError) as error:
        reason = unanswered(error).reason
        start = "\nStart one with: spanwise serve" if config.is_endpoint_default else ""
        yield Finding(SECTION, "fail", "listening", f"nothing answers at {origin}: {reason}{start}")
        return
    is_spanwise = IDENTITY_HEADER in answer.headers
    if is_spanwise:
        yield Finding(SECTION, "ok", "listening", f"Spanwise {answer.headers[IDENTITY_HEADER]} at {origin}")
    else:
        yield _stranger(config, origin)
    yield from _check_clock(answer.headers.get("date"), asked_at)
    yield from _check_span(config, pool, origin, is_spanwise=is_spanwise)


def _new_pool(config: Config) -> urllib3.PoolManager:
    settings: dict[str, object] = {"timeout": _TIMEOUT_S, "retries": False}
    if config.endpoint.startswith("https:"):
        settings["ca_certs"] = config.certificate
        settings["cert_file"] = config.client_certificate
        settings["key_file"] = config.client_key
    return urllib3.PoolManager(**settings)  # type: ignore[arg-type]


def _stranger(config: Config, origin: str) -> Finding:
    if config.is_endpoint_default:
        detail = f"{origin} answers, but not as Spanwise: spans are sent there without messages"
        return Finding(SECTION, "warn", "listening", detail)
    return Finding(SECTION, "info", "listening", f"{origin} answers, and is not Spanwise")


def _check_clock(date: str | None, asked_at: float) -> Iterator[Finding]:
    """Compares the endpoint's clock with ours, by the ``Date`` of its answer."""
    try:
        theirs = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return
    skew_s = theirs - (asked_at + time.time()) / 2
    if abs(skew_s) <= _MAX_SKEW_S:
        yield Finding(SECTION, "ok", "clock", "agrees with the endpoint's")
    else:
        word = "ahead of" if skew_s < 0 else "behind"
        yield Finding(
            SECTION,
            "warn",
            "clock",
            f"{abs(skew_s):.0f} s {word} the endpoint's: traces are misplaced in time",
        )


def _check_span(
    config: Config, pool: urllib3.PoolManager, origin: str, *, is_spanwise: bool
) -> Iterator[Finding]:
    """Sends one span and, from Spanwise, reads it back."""
    pipeline = Pipeline(replace(config, isolated=True, capture=CaptureMode.NO_CONTENT))
    span = pipeline.tracer().start_span(
        "spanwise doctor", attributes={semconv.OPERATION_NAME: semconv.OP_TASK, "spanwise.doctor": True}
    )
    span.end()
    trace_id = f"{span.get_span_context().trace_id:032x}"
    if not span.get_span_context().trace_flags.sampled:
        yield Finding(SECTION, "warn", "test span", "not sampled: OTEL_TRACES_SAMPLER leaves traces out")
        return
    began_at = time.monotonic()
    pipeline.shutdown(_TIMEOUT_S)
    stats = pipeline.stats()
    if stats.exported != 1:
        yield Finding(
            SECTION, "fail", "test span", f"not accepted: {stats.last_error or 'no answer in time'}"
        )
        return
    yield Finding(SECTION, "ok", "test span", f"accepted in {(time.monotonic() - began_at) * 1000:.0f} ms")
    if is_spanwise and config.endpoint.endswith(TRACES_PATH):
        yield _read_back(pool, config, origin, trace_id)


def _read_back(pool: urllib3.PoolManager, config: Config, origin: str, trace_id: str) -> Finding:
    url = f"{origin}/api/v1/traces/{trace_id}"
    began_at = time.monotonic()
    status = 0
    while time.monotonic() - began_at < _READ_BACK_S:
        try:
            answer = pool.request("GET", url, headers=dict(config.headers), redirect=False)
        except (HTTPError, OSError) as error:
            return Finding(SECTION, "fail", "read back", unanswered(error).reason)
        status = answer.status
        if status == 200 and json.loads(answer.data).get("spans"):
            took_ms = (time.monotonic() - began_at) * 1000
            return Finding(SECTION, "ok", "read back", f"trace {trace_id} in {took_ms:.0f} ms")
        if status in (301, 302, 303, 307, 401, 403):
            return Finding(
                SECTION, "info", "read back", f"needs a login (HTTP {status}); look at trace {trace_id}"
            )
        if status not in (200, 404):
            break
        time.sleep(0.2)
    return Finding(
        SECTION, "fail", "read back", f"trace {trace_id} was accepted and is not there (HTTP {status})"
    )
