"""Scores on their way to the collector: OTLP log records, with the guarantees that spans have.

The same parts as for spans (a backlog bounded in bytes, a worker of its own, retries under deadlines), so
that scores wait for nothing but themselves, and a process that only scores needs no tracing.

Source: opentelemetry/proto/logs/v1/logs.proto; OpenTelemetry event ``gen_ai.evaluation.result``.
"""

import dataclasses
import os
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanwise import semconv
from spanwise._version import __version__
from spanwise.backlog import Backlog
from spanwise.config import TRACES_PATH, Config
from spanwise.delivery import Delivery
from spanwise.encode import EncodedSpan, Encoder
from spanwise.resource import named_in_code
from spanwise.scores import Score
from spanwise.sender import Sender
from spanwise.wire import delimited, key_value, text
from spanwise.worker import Worker

LOGS_PATH = "/v1/logs"
_MAX_BYTES = 16 * 1024 * 1024
_SCOPE = InstrumentationScope("spanwise", __version__, semconv.SCHEMA_URL)
_SEVERITY_INFO = b"\x10\x09"
_pack_times = struct.Struct("<BQBQ").pack


class ScoreExport:
    """Takes scores and sends them in the background.

    Args:
        config: Endpoint and limits; see ``logs_url`` for where scores go.
        resource: Who they come from.
        delay_s: Seconds that a score waits at most for others to travel with.
        patience_s: Seconds without an acknowledgement after which ``flush`` and ``stop`` give up.
        on_start: Called when this process has its first score.
    """

    def __init__(
        self,
        config: Config,
        resource: Resource,
        delay_s: float,
        patience_s: float,
        on_start: Callable[[], None],
    ) -> None:
        config = dataclasses.replace(config, endpoint=logs_url(config))
        self._resource = resource
        self._on_start = on_start
        self._backlog = Backlog(
            min(config.max_queue_bytes, _MAX_BYTES),
            lambda encoded: encoded,  # type: ignore[arg-type, return-value]  # scores are encoded when put
            self._ensure_worker,
        )
        self.delivery = Delivery(
            config, Sender(config), Encoder(named_in_code(config)), self._backlog, noun="scores"
        )
        self._worker = Worker(self._backlog, self.delivery, delay_s, patience_s)

    @property
    def backlog(self) -> Backlog:
        """What waits, and what was dropped."""
        return self._backlog

    def put(self, score: Score) -> None:
        """Takes a score; when there is no room it is dropped and counted."""
        self._backlog.put(encoded(score, self._resource))  # type: ignore[arg-type]

    def flush(self, timeout_s: float) -> bool:
        """Sends what there is; False when not all could be."""
        return self._worker.flush(timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Sends what is left and ends."""
        return self._worker.stop(timeout_s)

    def reset(self) -> None:
        """Forgets everything, in a forked child."""
        self._backlog.reset()
        self._worker.reset()

    def _ensure_worker(self) -> None:
        if not self._worker.is_started:
            self._worker.start()
            self._on_start()


def logs_url(config: Config) -> str:
    """Returns where scores are posted to: beside the spans, because they are shown with them.

    Only where the spans' address is one that nothing can be told from (a path of its own) the environment's
    address for logs is taken, else the path of the standard.
    """
    if config.endpoint.endswith(TRACES_PATH):
        return config.endpoint.removesuffix(TRACES_PATH) + LOGS_PATH
    given = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "").strip()
    address = urlsplit(config.endpoint)
    return (
        given
        if given.startswith(("http://", "https://"))
        else f"{address.scheme}://{address.netloc}{LOGS_PATH}"
    )


def encoded(score: Score, resource: Resource) -> EncodedSpan:
    """Returns a score as a ``LogRecord``; its comment apart, so that it can still be left out."""
    attributes: dict[str, object] = {semconv.EVALUATION_NAME: score.name}
    if score.value is not None:
        attributes[semconv.EVALUATION_VALUE] = score.value
    if score.label:
        attributes[semconv.EVALUATION_LABEL] = score.label
    attributes.update(score.attributes)
    body = b"".join(
        (
            _pack_times(0x09, score.time_ns, 0x59, score.time_ns),
            _SEVERITY_INFO,
            *(key_value(b"\x32", key, value) for key, value in attributes.items()),
            delimited(b"\x4a", bytes.fromhex(score.trace_id)),
            delimited(b"\x52", bytes.fromhex(score.span_id)) if score.span_id else b"",
            delimited(b"\x62", text(semconv.EVALUATION_EVENT)),
        )
    )
    comment = key_value(b"\x32", semconv.EVALUATION_EXPLANATION, score.comment) if score.comment else b""
    return EncodedSpan(resource, _SCOPE, body, comment)
