"""What a TracerProvider tells us of its spans, and which of them go to Spanwise.

Only GenAI spans and their local ancestors do: an app's provider traces all kinds of things, and a backend for
language models must not receive an app's every database query because it was installed.
"""

from collections.abc import Callable, Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace import SpanProcessor as OtelSpanProcessor

from spanwise import guard
from spanwise.backlog import Backlog
from spanwise.content import ContentTable
from spanwise.encode import EndedSpan

SCOPE_PREFIX = "spanwise"
_GENAI_PREFIXES = ("gen_ai.", "llm.", "openinference.", "traceloop.", "spanwise.")
_MAX_LIVE_SPANS = 100_000
"""Spans that never end would otherwise be remembered for ever; past this number the oldest is forgotten."""

_SPAN_BYTES = 3400
"""Memory of an ended span with some twenty short attributes, its content aside; measured on CPython 3.11."""


_EVENT_BYTES = 600


class SpanSelection:
    """Follows live spans, and puts the wanted ones into the backlog when they end.

    ``start`` and ``end`` are called on the app's threads and cost a few microseconds together.

    Args:
        backlog: Where ended spans wait for export.
        content: Where the content of live spans waits.
        on_put: Called after each put; sees to it that a worker runs.
    """

    def __init__(self, backlog: Backlog, content: ContentTable, on_put: Callable[[], None]) -> None:
        self._backlog = backlog
        self._content = content
        self._on_put = on_put
        self.reset()

    def reset(self) -> None:
        """Forgets the live spans: after a fork they are the parent's, which exports them itself."""
        # Plain dict and set operations are atomic, and that is all the locking this needs.
        self._parents: dict[int, int] = {}
        self._wanted: set[int] = set()

    def start(self, span: Span) -> None:
        """Remembers a span, and marks its ancestors when it is a GenAI span."""
        context, parent = span.get_span_context(), span.parent
        if not context.trace_flags.sampled:
            return
        self._parents[context.span_id] = parent.span_id if parent is not None else 0
        if is_genai(span):
            self._mark(context.span_id)
        if len(self._parents) > _MAX_LIVE_SPANS:
            self._forget_oldest()

    def end(self, span: ReadableSpan) -> None:
        """Puts a span into the backlog when it, or a span below it, is a GenAI span."""
        context = span.get_span_context()
        if context is None:
            return
        span_id = context.span_id
        is_known = span_id in self._parents
        # Instrumentations of others may name a span's operation only after it has started.
        if is_known and span_id not in self._wanted and is_genai(span):
            self._mark(span_id)
        self._parents.pop(span_id, None)
        content, size = self._content.pop(span_id)
        if span_id not in self._wanted:
            return
        self._wanted.discard(span_id)
        self._backlog.put(EndedSpan(span, content, size + _size_of(span)))
        self._on_put()

    def _mark(self, span_id: int) -> None:
        """Marks a span and those above it, up to the first that is marked already or not of this process."""
        while span_id in self._parents and span_id not in self._wanted:
            self._wanted.add(span_id)
            span_id = self._parents.get(span_id, 0)

    def _forget_oldest(self) -> None:
        try:
            oldest = next(iter(self._parents))
        except (StopIteration, RuntimeError):
            return  # another thread changed the table meanwhile; the next span tries again
        self._parents.pop(oldest, None)
        self._wanted.discard(oldest)
        self._content.pop(oldest)


class SpanProcessor(OtelSpanProcessor):
    """Passes a provider's spans on to the selection of the pipeline in force, or to none.

    A provider cannot give a processor back, so this one stays when the pipeline is shut down, does nothing,
    and serves the next pipeline on the same provider.
    """

    def __init__(self) -> None:
        self.selection: SpanSelection | None = None
        self.flush: Callable[[float], bool] | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Is called by the provider on the app's thread."""
        if self.selection is not None:
            try:
                self.selection.start(span)
            except Exception as error:  # noqa: BLE001 - telemetry never breaks the app
                guard.fault("starting a span", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Is called by the provider on the app's thread."""
        if self.selection is not None:
            try:
                self.selection.end(span)
            except Exception as error:  # noqa: BLE001 - telemetry never breaks the app
                guard.fault("ending a span", error)

    def shutdown(self) -> None:
        """Is called when the app shuts its provider down: what has ended is sent, what comes is ignored."""
        self.force_flush()
        self.selection = None
        self.flush = None

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what has ended so far; False when not all of it could be sent."""
        flush = self.flush
        return flush(timeout_millis / 1000) if flush is not None else True


def is_genai(span: ReadableSpan) -> bool:
    """Tells whether a span is of Spanwise or has an attribute of a language model vocabulary."""
    scope = span.instrumentation_scope
    if scope is not None and scope.name.startswith(SCOPE_PREFIX):
        return True
    attributes: Mapping[str, object] | None = span.attributes
    return bool(attributes) and any(key.startswith(_GENAI_PREFIXES) for key in attributes or ())


def _size_of(span: ReadableSpan) -> int:
    """Returns about how many bytes of memory a span holds; only long attributes and events vary much."""
    total = _SPAN_BYTES
    for value in (span.attributes or {}).values():
        if value.__class__ is str and len(value) > 256:
            total += len(value)
    for event in span.events:
        total += _EVENT_BYTES
        for value in (event.attributes or {}).values():
            if value.__class__ is str:
                total += len(value)
    return total
