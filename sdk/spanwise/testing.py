"""For tests of apps that use Spanwise: the spans a piece of code makes, in memory, the same on every run.

    with spanwise.testing.record_spans() as recorder:
        answer_question("Why is the sky blue?")
    (chat,) = recorder.find(operation="chat")
    assert chat.attributes["gen_ai.usage.output_tokens"] == 12

Nothing is sent and no global provider is touched. Ids count up from 1, and the clock advances by one
millisecond at each start and end of a span.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, Tracer

from spanwise import integrations, runtime, semconv, threads
from spanwise._version import __version__
from spanwise.capture import Capture
from spanwise.config import Config
from spanwise.content import decoded
from spanwise.hashing import hasher_of
from spanwise.resource import new_resource
from spanwise.scores import Score

START_NS = 1_700_000_000_000_000_000
"""What the clock says first, in nanoseconds since 1970."""
TICK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """One ended span; its content stands among the attributes as the value it had before it became JSON."""

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    kind: str
    """``CLIENT``, ``INTERNAL`` and so on."""
    status: str
    """``UNSET``, ``OK`` or ``ERROR``."""
    status_message: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    """Name and attributes of each event."""


class Recorder(SpanProcessor):
    """Keeps the spans that have ended, in the order in which they ended."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._now_ns = START_NS - TICK_NS
        self._started_ns: dict[int, int] = {}
        self._content: dict[int, dict[str, object]] = {}
        self._spans: list[RecordedSpan] = []
        self.scores: list[Score] = []
        """What ``spanwise.score()`` was called with, in order."""

    @property
    def spans(self) -> list[RecordedSpan]:
        """The spans that have ended so far."""
        with self._lock:
            return list(self._spans)

    def find(self, *, operation: str | None = None, name: str | None = None) -> list[RecordedSpan]:
        """Returns the spans of that operation (``chat``, ``embeddings``, …), of that name, or both."""
        return [
            span
            for span in self.spans
            if (name is None or span.name == name)
            and (operation is None or span.attributes.get(semconv.OPERATION_NAME) == operation)
        ]

    def clear(self) -> None:
        """Forgets the spans that have ended."""
        with self._lock:
            self._spans.clear()
            self.scores.clear()

    def add_content(self, span_id: int, content: Mapping[str, object]) -> None:
        """Keeps the content of an open span."""
        with self._lock:
            values = {key: decoded(value) for key, value in content.items()}
            self._content.setdefault(span_id, {}).update(values)

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Is called by the provider."""
        with self._lock:
            self._now_ns += TICK_NS
            self._started_ns[span.get_span_context().span_id] = self._now_ns

    def on_end(self, span: ReadableSpan) -> None:
        """Is called by the provider."""
        context = span.get_span_context()
        if context is None:
            return
        with self._lock:
            self._now_ns += TICK_NS
            content = self._content.pop(context.span_id, {})
            recorded = RecordedSpan(
                name=span.name,
                trace_id=f"{context.trace_id:032x}",
                span_id=f"{context.span_id:016x}",
                parent_span_id=f"{span.parent.span_id:016x}" if span.parent is not None else None,
                kind=span.kind.name,
                status=span.status.status_code.name,
                status_message=span.status.description or "",
                start_ns=self._started_ns.pop(context.span_id, self._now_ns),
                end_ns=self._now_ns,
                attributes={**(span.attributes or {}), **content},
                events=[(event.name, dict(event.attributes or {})) for event in span.events],
            )
            self._spans.append(recorded)


class CountingIds(IdGenerator):
    """Trace and span ids that count up from 1."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._spans = 0
        self._traces = 0

    def generate_span_id(self) -> int:
        """Returns the next span id."""
        with self._lock:
            self._spans += 1
            return self._spans

    def generate_trace_id(self) -> int:
        """Returns the next trace id."""
        with self._lock:
            self._traces += 1
            return self._traces


class MemoryPipeline:
    """A pipeline that ends in a ``Recorder``; see ``spanwise.runtime.SpanPipeline``."""

    def __init__(self, config: Config, recorder: Recorder) -> None:
        self._recorder = recorder
        self._hasher = hasher_of(config)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=new_resource(config),
            id_generator=CountingIds(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(recorder)

    def tracer(self) -> Tracer:
        """Returns the tracer to start spans with."""
        return self._provider.get_tracer("spanwise", __version__, schema_url=semconv.SCHEMA_URL)

    def put_content(self, span: Span, content: Mapping[str, object]) -> None:
        """Adds content to an open span."""
        if span.is_recording():
            if self._hasher is not None:
                content = self._hasher.waiting(content)
            self._recorder.add_content(span.get_span_context().span_id, content)

    def put_score(self, score: Score) -> None:
        """Keeps a score."""
        self._recorder.scores.append(score)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Does nothing: ended spans are there at once."""
        return True

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Does nothing: there is nothing to end."""
        return True


@contextmanager
def record_spans(*names: str, **settings: Any) -> Iterator[Recorder]:
    """Traces what runs inside and keeps the spans in memory; puts everything back afterwards.

    Args:
        names: Libraries to trace; none means all that are installed.
        settings: What ``spanwise.instrument()`` takes, such as ``capture`` and ``scrub``.

    Raises:
        TypeError, ValueError: a setting that does not exist or cannot work.
    """
    config = Config.from_env(**{**settings, "isolated": True})
    recorder = Recorder()
    before = runtime.install(runtime.Runtime(config, MemoryPipeline(config, recorder), Capture(config)))
    try:
        integrations.instrument(*names)
        if config.propagate_threads:
            threads.install()
        yield recorder
    finally:
        runtime.install(before)
        if before is None:
            integrations.uninstrument(*names)
            threads.uninstall()
