"""What a TracerProvider tells us of its spans, and which of them go to Spanwise.

Only GenAI spans and their local ancestors do: an app's provider traces all kinds of things, and a backend for
language models must not receive an app's every database query because it was installed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace import SpanProcessor as OtelSpanProcessor
from opentelemetry.trace import StatusCode

from spanwise import guard
from spanwise.ambient import is_private
from spanwise.backlog import Backlog
from spanwise.content import ContentTable, Waiting
from spanwise.encode import EndedSpan, attributes_of
from spanwise.holding import Holding
from spanwise.privacy import without_content
from spanwise.suppression import get_current

SCOPE_PREFIX = "spanwise"
_GENAI_PREFIXES = ("gen_ai.", "llm.", "openinference.", "traceloop.", "spanwise.")
_MAX_LIVE_SPANS = 100_000
"""Spans that never end would otherwise be remembered for ever; past this number the oldest is forgotten."""

_MAX_EXPECTED_SPANS = 10_000

_SPAN_BYTES = 3400
"""Memory of an ended span with some twenty short attributes, its content aside; measured on CPython 3.11."""


_EVENT_BYTES = 600
_STACK_BYTES = 4000
"""Of a stack that is not written out yet."""


class SpanSelection:
    """Follows live spans, and puts the wanted ones into the backlog when they end.

    ``start`` and ``end`` are called on the app's threads and cost a few microseconds together.

    Args:
        backlog: Where ended spans wait for export.
        content: Where the content of live spans waits.
        holding: Where spans wait for the outcome of their trace; without it, what is not sampled is ignored.
    """

    def __init__(self, backlog: Backlog, content: ContentTable, holding: Holding | None = None) -> None:
        self._holding = holding
        self._backlog = backlog
        self._content = content
        self.is_carried = False
        """True while the app's own exporter sends to our endpoint: see ``carrier``."""
        self._inherited: set[int] = set()
        """Spans that were live when this process was forked."""
        self._parents: dict[int, int] = {}
        """Span ids of live spans, each with that of its local parent, else 0."""
        self.reset()

    def reset(self) -> None:
        """Forgets the live spans: after a fork they are the parent's, which exports them itself."""
        if self._holding is not None:
            self._holding.reset()
        # Plain dict and set operations are atomic, and that is all the locking this needs.
        self._inherited |= self._parents.keys()
        self._parents = {}
        self._wanted: set[int] = set()
        """Those of them that are exported when they end."""
        self._private: set[int] = set()
        """Live spans of which no content is exported."""
        self._expected: dict[int, None] = {}
        """Local ancestors that started before we listened; an ordered set."""

    def start(self, span: Span, parent: Context | None = None) -> None:
        """Remembers a span, and marks its ancestors when it is a GenAI span.

        Args:
            span: The span, just started.
            parent: The context it was started in, where that was not the current one.
        """
        context = span.get_span_context()
        holding = self._holding
        if holding is None and not context.trace_flags.sampled:
            return
        span_id = context.span_id
        parent_id = self._parents[span_id] = _local_parent(span)
        if is_private(get_current() if parent is None else parent) or parent_id in self._private:
            self._private.add(span_id)
        if is_genai(span):
            self._mark(span_id)
        if len(self._parents) > _MAX_LIVE_SPANS:
            self._forget_oldest()
        if holding is not None and holding.concerns(context):
            holding.start(context)

    def end(self, span: ReadableSpan) -> None:
        """Puts a span into the backlog when it, or a span below it, is a GenAI span."""
        context = span.get_span_context()
        holding = self._holding
        if context is None or (holding is None and not context.trace_flags.sampled):
            return
        span_id = context.span_id
        if self._parents.pop(span_id, None) is None:
            if span_id in self._inherited:
                return
            is_wanted = span_id in self._expected or is_genai(span)
            self._expected.pop(span_id, None)
        else:
            # Instrumentations of others may name a span's operation only after it has started.
            is_wanted = span_id in self._wanted or is_genai(span)
            self._wanted.discard(span_id)
        content, size = self._content.pop(span_id)
        if span_id in self._private:
            self._private.discard(span_id)
            span, content = _bared(span), None
        item = None
        if is_wanted and not self.is_carried:
            self._mark(_local_parent(span))
            item = EndedSpan(span, content, size + _size_of(span))
        if holding is not None and holding.concerns(context):
            holding.end(context, item, span.status.status_code is StatusCode.ERROR)
        elif item is not None:
            self._backlog.put(item)

    def is_private(self, span_id: int) -> bool:
        """Tells whether a live span must have no content."""
        return span_id in self._private

    def _mark(self, span_id: int) -> None:
        """Marks a span and those above it, up to the first that is marked already or has no local parent."""
        while span_id and span_id not in self._wanted:
            parent_id = self._parents.get(span_id)
            if parent_id is None:
                self._expect(span_id)
                return
            self._wanted.add(span_id)
            span_id = parent_id

    def _expect(self, span_id: int) -> None:
        """Notes a parent that is not known to be live: it started before we listened, or has ended."""
        self._expected[span_id] = None
        if len(self._expected) > _MAX_EXPECTED_SPANS:
            _pop_oldest(self._expected)

    def _forget_oldest(self) -> None:
        oldest = _pop_oldest(self._parents)
        self._wanted.discard(oldest)
        self._private.discard(oldest)
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
                self.selection.start(span, parent_context)
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


def _bared(span: ReadableSpan) -> ReadableSpan:
    """Returns a span without its content; ours has none, which is seen to where it is recorded."""
    scope = span.instrumentation_scope
    return span if scope is not None and scope.name == SCOPE_PREFIX else without_content(span)


def _local_parent(span: ReadableSpan) -> int:
    """Returns the span id of a parent in this process, else 0."""
    parent = span.parent
    return 0 if parent is None or parent.is_remote else parent.span_id


def _pop_oldest(table: dict[int, Any]) -> int:
    """Removes and returns the first key; 0 when another thread changed the table meanwhile."""
    try:
        oldest: int = next(iter(table))
    except (StopIteration, RuntimeError):
        return 0
    table.pop(oldest, None)
    return oldest


def _size_of(span: ReadableSpan) -> int:
    """Returns about how many bytes of memory a span holds; only long attributes and events vary much."""
    total = _SPAN_BYTES
    for value in attributes_of(span).values():
        if value.__class__ is str and len(value) > 256:
            total += len(value)
    events = getattr(span, "unsettled_events", None)
    for event in span.events if events is None else events:
        total += _EVENT_BYTES
        for value in (event.attributes or {}).values():
            if value.__class__ is str:
                total += len(value)
            elif value.__class__ is Waiting:
                total += _STACK_BYTES
    return total
