"""From the end of a span to the endpoint: which TracerProvider makes the spans, and who exports them.

The parts are in modules of their own: ``processor`` chooses spans, ``content`` keeps messages beside them,
``backlog`` holds what waits, ``worker`` and ``delivery`` send it. Here they are put together, once a process.
"""

import logging
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracer, ProxyTracerProvider, Span, Tracer

from spanwise import guard, process, semconv
from spanwise._version import __version__
from spanwise.backlog import BATCH_SPANS, Backlog
from spanwise.carrier import Carriage, Listeners, holds_content
from spanwise.config import Config
from spanwise.content import ContentTable, to_text
from spanwise.delivery import Delivery
from spanwise.encode import Encoder
from spanwise.hashing import hasher_of
from spanwise.holding import Holding
from spanwise.processor import SCOPE_PREFIX, SpanProcessor, SpanSelection
from spanwise.provider import OwnTracerProvider
from spanwise.resource import named_in_code, new_resource
from spanwise.sampling import sampler_of, settings_without_effect
from spanwise.sender import Sender
from spanwise.worker import Worker

if TYPE_CHECKING:
    from spanwise.score_export import ScoreExport
    from spanwise.scores import Score

logger = logging.getLogger("spanwise")

_DEFAULT_DELAY_S = 1.0
PATIENCE_S = 3.0
"""Seconds without an acknowledged batch after which ``flush`` and ``shutdown`` give up."""
EXIT_LIMIT_S = 30.0
"""Seconds that the process may take to exit while batches are being acknowledged."""
LAST_WORD_S = 0.25
_HELD_SHARE = 4
"""Which part of ``max_queue_bytes`` spans may take that wait for the outcome of their trace."""

_processors: "list[tuple[weakref.ReferenceType[object], SpanProcessor]]" = []
"""The processor that a provider has been given, so that it is given one only. A list, because a provider
may have no hash (Logfire's)."""


@dataclass(frozen=True, slots=True)
class ExportStats:
    """What became of the spans that this process recorded."""

    exported: int
    """Acknowledged by the endpoint."""
    queued: int
    """Waiting, or on their way."""
    queued_bytes: int
    """Estimated memory of those."""
    dropped: int
    """Found no room: more than ``max_queue_bytes`` was waiting."""
    refused: int
    """Sent, and not accepted by the endpoint."""
    failed: int
    """Not sent because of a fault of ours."""
    lost: int
    """Still waiting when the pipeline was shut down."""
    withheld: int
    """Exported without messages, because the default endpoint is not Spanwise."""
    dropped_content: int
    """Pieces of content that found no room while their span was open."""
    last_error: str
    """Why the last attempt failed; empty when none did."""
    is_failing: bool
    """True while the endpoint takes nothing."""
    unjudged: int = 0
    """Traces that ``keep_errors`` left to sampling before they ended, and that sampling left out."""
    scores: "ExportStats | None" = None
    """The same of scores; ``None`` while there was none."""


class Pipeline:
    """Makes tracers, and exports the spans they make.

    Nothing happens before the first span: no thread, no connection, no global provider.

    Args:
        config: The settings.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._content = ContentTable(config.max_queue_bytes)
        encoder = Encoder(named_in_code(config))
        self._backlog = Backlog(
            config.max_queue_bytes, encoder.encode, self._ensure_worker, _max_queue_spans(), _batch_spans()
        )
        self._delivery = Delivery(config, Sender(config), encoder, self._backlog)
        self._worker = Worker(self._backlog, self._delivery, _delay_s(), PATIENCE_S)
        self._holding: Holding | None = None
        if config.keep_errors:
            self._holding = Holding(config.max_queue_bytes // _HELD_SHARE, self._backlog.put)
        self._selection = SpanSelection(self._backlog, self._content, self._holding)
        self._provider: object | None = None
        self._tracer: Tracer = NoOpTracer()
        self._listeners = Listeners(None, None, config)
        self._is_content_on_span = config.capture.is_on_span
        self._hasher = hasher_of(config)
        self._own_provider: TracerProvider | None = None
        self._scores: ScoreExport | None = None
        self._attached: list[SpanProcessor] = []
        self._is_shut_down = False
        process.follow(self)

    def tracer(self) -> Tracer:
        """Returns the tracer to start a span with; call it anew for each span.

        The provider is found out at the first call: the app's own, if it has set one up by then, else ours,
        which then becomes the global one. A provider that the app sets later is found by later calls.
        """
        if self._config.isolated:
            provider: object = self._provider
        else:
            provider = trace.get_tracer_provider()
        if provider is self._provider and provider is not None and self._listeners.are_unchanged:
            return self._tracer
        try:
            return self._resolve()
        except Exception as error:  # noqa: BLE001 - a provider of the app's may raise anything
            guard.fault("finding the TracerProvider", error)
            return NoOpTracer()

    def put_content(self, span: Span, content: Mapping[str, object]) -> None:
        """Adds content to an open span; the values are JSON-able and must not be changed any more.

        It becomes JSON in the background. Only when OpenTelemetry's capture variable asks for content on the
        span does it also become attributes, here, which every exporter of the app then sees; and when the
        app's only exporter sends to our endpoint in our place.
        """
        span_id = span.get_span_context().span_id
        if not content or not span.is_recording() or self._selection.is_private(span_id):
            return
        if self._hasher is not None:
            content = self._hasher.waiting(content)
        if self._is_content_on_span:
            span.set_attributes({key: to_text(value) for key, value in content.items()})
        if not self._selection.is_carried:
            self._content.put(span_id, content)

    def put_score(self, score: "Score") -> None:
        """Sends a score in the background."""
        if self._scores is None:
            with self._lock:
                if self._is_shut_down:
                    return
                self._scores = self._scores or self._new_score_export()
        self._scores.put(score)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Sends what has ended so far and waits for it.

        Gives up after ``timeout_s``, and earlier when nothing was acknowledged for three seconds.

        Returns:
            True when the endpoint answered for everything.
        """
        is_done = self._worker.flush(timeout_s)
        for carrier in self._listeners.carriers:
            is_done = carrier.force_flush(int(timeout_s * 1000)) is not False and is_done
        return is_done if self._scores is None else self._scores.flush(timeout_s) and is_done

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Sends what is left and ends; spans that end later are ignored.

        Takes at most ``timeout_s`` (30 s when None), and gives up when nothing was acknowledged for three
        seconds.

        Returns:
            True when nothing was lost.
        """
        with self._lock:
            if self._is_shut_down:
                return True
            self._is_shut_down = True
            process.forget(self)
            for processor in self._attached:
                if processor.selection is self._selection:
                    processor.selection = None
                    processor.flush = None
        if self._holding is not None:
            self._holding.let_go()
        timeout_s = EXIT_LIMIT_S if timeout_s is None else timeout_s
        is_done = self._worker.stop(timeout_s)
        if self._scores is not None:
            # They go to the same place: where that took no spans, waiting once is enough.
            is_done = self._scores.stop(timeout_s if is_done else min(timeout_s, LAST_WORD_S)) and is_done
        return is_done

    def stats(self) -> ExportStats:
        """Returns what became of the spans and scores of this process so far."""
        found = _stats(self._backlog, self._delivery)
        scores = self._scores
        return replace(
            found,
            dropped_content=self._content.dropped,
            unjudged=0 if self._holding is None else self._holding.unjudged,
            scores=None if scores is None else _stats(scores.backlog, scores.delivery),
        )

    def _resolve(self) -> Tracer:
        """Finds the provider to trace with, attaches to it, and remembers its tracer."""
        with self._lock:
            if self._is_shut_down or self._config.disabled:
                return NoOpTracer()
            provider: object = trace.get_tracer_provider()  # another thread may just have set it
            if self._config.isolated:
                provider = self._provide()
            elif isinstance(provider, ProxyTracerProvider):
                provider = self._provide()
                trace.set_tracer_provider(self._provide())
            elif not callable(getattr(provider, "add_span_processor", None)):
                # The app chose a provider that records nothing (or is not OpenTelemetry's SDK): its choice
                # stands, and our spans are made by a provider of our own beside it.
                self._attach(self._provide())
                self._provider = provider
                self._tracer = _get_tracer(self._provide())
                return self._tracer
            self._attach(provider)
            if provider is not self._own_provider:
                self._warn_of_sampler(provider)
            self._provider = provider
            self._tracer = _get_tracer(provider)
            return self._tracer

    def _warn_of_sampler(self, provider: object) -> None:
        ignored = settings_without_effect(self._config, getattr(provider, "sampler", None))
        if ignored:
            guard.say_once(
                "sampler of the app",
                "spanwise: %s: no effect, because the app's own TracerProvider has its own sampler; "
                "spanwise.sampling.ThresholdSampler can be it",
                " and ".join(ignored),
            )

    def _provide(self) -> TracerProvider:
        """Returns our own provider, made at the first call. It never exports on its own at exit: we do."""
        if self._own_provider is None:
            self._own_provider = OwnTracerProvider(new_resource(self._config), sampler_of(self._config))
        return self._own_provider

    def _attach(self, provider: object) -> None:
        processor = next((found for known, found in _processors if known() is provider), None)
        if processor is None:
            processor = SpanProcessor()
            provider.add_span_processor(processor)  # type: ignore[attr-defined]
            _processors[:] = [each for each in _processors if each[0]() is not None]
            _processors.append((weakref.ref(provider), processor))
        processor.selection = self._selection
        processor.flush = self.flush
        if processor not in self._attached:
            self._attached.append(processor)
        self._listeners = listeners = Listeners(provider, processor, self._config)
        listeners.look()
        self._selection.is_carried = listeners.carriage is not Carriage.OURS
        self._is_content_on_span = self._config.capture.is_on_span or holds_content(
            listeners.carriage, self._config
        )

    def _ensure_worker(self) -> None:
        if not self._worker.is_started:
            self._worker.start()
            process.note_first_span()

    def _new_score_export(self) -> "ScoreExport":
        from spanwise.score_export import ScoreExport

        resource = getattr(trace.get_tracer_provider(), "resource", None)
        if self._config.isolated or not isinstance(resource, Resource):
            resource = self._provide().resource
        return ScoreExport(self._config, resource, _delay_s(), PATIENCE_S, process.note_first_span)

    def start_over(self) -> None:
        """Forgets everything, in a forked child: what was waiting is its parent's to send."""
        self._lock = threading.RLock()
        self._content.clear()
        self._backlog.reset()
        self._selection.reset()
        self._worker.reset()
        if self._scores is not None:
            self._scores.reset()


def _stats(backlog: Backlog, delivery: Delivery) -> ExportStats:
    counts = delivery.counts
    return ExportStats(
        exported=counts.exported,
        queued=backlog.held,
        queued_bytes=backlog.held_bytes,
        dropped=backlog.dropped,
        refused=counts.refused,
        failed=counts.failed + backlog.failed,
        lost=counts.lost,
        withheld=counts.withheld,
        dropped_content=0,
        last_error=counts.last_error,
        is_failing=delivery.is_failing,
    )


def _get_tracer(provider: object) -> Tracer:
    found: Tracer = provider.get_tracer(  # type: ignore[attr-defined]
        SCOPE_PREFIX, __version__, schema_url=semconv.SCHEMA_URL
    )
    return found


def _delay_s() -> float:
    delay_ms = _positive_number("OTEL_BSP_SCHEDULE_DELAY")
    return _DEFAULT_DELAY_S if delay_ms is None else delay_ms / 1000


def _batch_spans() -> int:
    return _positive_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") or BATCH_SPANS


def _max_queue_spans() -> int | None:
    return _positive_number("OTEL_BSP_MAX_QUEUE_SIZE")


def _positive_number(name: str) -> int | None:
    """Reads a whole number greater than 0; anything else is said and ignored, as OpenTelemetry asks."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    logger.warning("spanwise: %s=%s ignored: it must be a whole number greater than 0", name, text)
    return None
