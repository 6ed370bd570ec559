"""A light span for our own calls on our own provider, where no other processor listens.

OpenTelemetry's span takes some 60 us of CPU beside a client that leaves nothing of it in the processor's
caches: locks, bounded containers, a second object at its end, all for apps that have processors of their own.
Where the app has none, nobody but our exporter ever sees the span, and a dictionary will do. As soon as
another processor is added to the provider, or a limit is set, spans are OpenTelemetry's again. Only public
interfaces of the SDK are used.
"""

import time
import traceback
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
)

from spanwise import semconv
from spanwise.content import Waiting
from spanwise.processor import SpanProcessor

if TYPE_CHECKING:
    from spanwise.provider import OwnTracerProvider

MAX_ATTRIBUTES = 128
MAX_EVENTS = 128
"""OpenTelemetry's defaults; with others, spans are OpenTelemetry's."""
_UNSET = Status(StatusCode.UNSET)
_PLAIN = frozenset({str, int, float, bool})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class CallTracer(Tracer):
    """Starts light spans while that is enough, and OpenTelemetry's else.

    Args:
        provider: Our own provider.
        stock: Its tracer.
        scope: What the spans say that they come from.
    """

    def __init__(self, provider: "OwnTracerProvider", stock: Tracer, scope: InstrumentationScope) -> None:
        self._provider = provider
        self._stock = stock
        self.scope = scope
        self.resource = provider.resource
        ids = provider.id_generator
        is_random = getattr(ids, "is_trace_id_random", None)
        random_flag = (
            getattr(TraceFlags, "RANDOM_TRACE_ID", 0) if is_random is not None and is_random() else 0
        )
        self._root_flags = TraceFlags(TraceFlags.SAMPLED | random_flag)
        self._is_sampled_always = provider.sampler is DEFAULT_ON

    @property
    def listener(self) -> SpanProcessor | None:
        """Our processor."""
        return self._provider.listener

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Starts a span; see ``opentelemetry.trace.Tracer``."""
        provider, listener = self._provider, self._provider.listener
        parent = get_current_span(context).get_span_context()
        if (
            links
            or listener is None
            or not provider.is_ours_alone
            or not self._is_sampled_always
            or (parent.is_valid and not parent.trace_flags & _SAMPLED)
        ):
            return self._stock.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        ids = provider.id_generator
        if parent.is_valid:
            own = SpanContext(
                parent.trace_id, ids.generate_span_id(), False, parent.trace_flags, parent.trace_state
            )
            span = CallSpan(self, name, own, parent, kind, attributes, start_time)
        else:
            own = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), False, self._root_flags)
            span = CallSpan(self, name, own, None, kind, attributes, start_time)
        listener.on_start(span, context)  # type: ignore[arg-type]
        return span

    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Starts a span of OpenTelemetry's and makes it current; see ``opentelemetry.trace.Tracer``."""
        return self._stock.start_as_current_span(name, *args, **kwargs)


class CallSpan(ReadableSpan, Span):
    """One light span. Ended, it is what the exporter reads, and does not change any more."""

    takes_waiting = True
    """Attributes may be ``content.Waiting``: nobody but our exporter reads them."""

    def __init__(
        self,
        tracer: CallTracer,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        start_time: int | None,
    ) -> None:
        # Not the parent class's: its fields are not public.
        self._tracer = tracer
        self._own_name = name
        self._own_context = context
        self._own_parent = parent
        self._own_kind = kind
        self._values: dict[str, Any] = {}
        self._own_status = _UNSET
        self._own_events: list[Event] = []
        self._own_links: list[Link] = []
        self._began_at = time.time_ns() if start_time is None else start_time
        self._ended_at: int | None = None
        self._dropped = 0
        if attributes:
            self.set_attributes(attributes)

    # --- writing -------------------------------------------------------------------------------------------

    def end(self, end_time: int | None = None) -> None:
        """Ends the span, the first time."""
        if self._ended_at is not None:
            return
        self._ended_at = time.time_ns() if end_time is None else end_time
        listener = self._tracer.listener
        if listener is not None:
            listener.on_end(self)

    def is_recording(self) -> bool:
        """True until the span ends."""
        return self._ended_at is None

    def get_span_context(self) -> SpanContext:
        """Returns the span's ids."""
        return self._own_context

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Sets attributes; one that is there already is replaced."""
        if self._ended_at is not None:
            return
        values = self._values
        for key, value in attributes.items():
            values[key] = value if value.__class__ in _PLAIN else _cleaned(value)
        while len(values) > MAX_ATTRIBUTES:
            del values[next(iter(values))]
            self._dropped += 1

    def set_attribute(self, key: str, value: Any) -> None:
        """Sets one attribute."""
        self.set_attributes({key: value})

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Adds an event that happened now, or at ``timestamp``."""
        if self._ended_at is None and len(self._own_events) < MAX_EVENTS:
            cleaned = {key: _cleaned(value) for key, value in (attributes or {}).items()}
            self._own_events.append(Event(name, cleaned, timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Links the span to another one."""
        if self._ended_at is None and len(self._own_links) < MAX_EVENTS:
            self._own_links.append(Link(context, dict(attributes or {})))

    def update_name(self, name: str) -> None:
        """Renames the span."""
        if self._ended_at is None:
            self._own_name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Sets the status: what was OK stays it, and nothing becomes unset again."""
        new = status if isinstance(status, Status) else Status(status, description)
        if self._ended_at is not None or new.status_code is StatusCode.UNSET:
            return
        if self._own_status.status_code is not StatusCode.OK:
            self._own_status = new

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Adds an exception event."""
        kind = type(exception)
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        stack = "".join(traceback.format_exception(kind, exception, exception.__traceback__))
        values = {
            semconv.EXCEPTION_TYPE: name,
            semconv.EXCEPTION_MESSAGE: str(exception),
            semconv.EXCEPTION_STACKTRACE: stack,
            **(attributes or {}),
        }
        self.add_event(semconv.EXCEPTION_EVENT, values, timestamp)

    # --- reading ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The span's name."""
        return self._own_name

    @property
    def context(self) -> SpanContext:
        """The span's ids."""
        return self._own_context

    @property
    def parent(self) -> SpanContext | None:
        """The ids of the span around it."""
        return self._own_parent

    @property
    def kind(self) -> SpanKind:
        """Whether it is a call to somebody else."""
        return self._own_kind

    @property
    def start_time(self) -> int:
        """Nanoseconds since 1970."""
        return self._began_at

    @property
    def end_time(self) -> int | None:
        """Nanoseconds since 1970; ``None`` while it is open."""
        return self._ended_at

    @property
    def status(self) -> Status:
        """Whether it failed."""
        return self._own_status

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its attributes, for reading."""
        return MappingProxyType(self._values)

    @property
    def events(self) -> Sequence[Event]:
        """What happened in it. Texts that were put off are written when they are asked for."""
        return tuple(
            Event(
                event.name,
                {key: _settled(value) for key, value in (event.attributes or {}).items()},
                event.timestamp,
            )
            for event in self._own_events
        )

    @property
    def unsettled_events(self) -> Sequence[Event]:
        """The same, with the texts that were put off still as ``Waiting``."""
        return self._own_events

    @property
    def links(self) -> Sequence[Link]:
        """Other spans that it has to do with."""
        return tuple(self._own_links)

    @property
    def resource(self) -> Resource:
        """Who made it."""
        return self._tracer.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """What made it."""
        return self._tracer.scope

    @property
    def dropped_attributes(self) -> int:
        """Attributes that found no room; the oldest give way."""
        return self._dropped

    @property
    def dropped_events(self) -> int:
        """Always 0."""
        return 0

    @property
    def dropped_links(self) -> int:
        """Always 0."""
        return 0

    def to_json(self, indent: int | None = 4) -> str:
        """Returns the span as OpenTelemetry prints it."""
        copy = ReadableSpan(
            name=self.name,
            context=self._own_context,
            parent=self._own_parent,
            resource=self.resource,
            attributes=self._values,
            events=self.events,
            links=self._own_links,
            kind=self._own_kind,
            status=self._own_status,
            start_time=self._began_at,
            end_time=self._ended_at,
            instrumentation_scope=self.instrumentation_scope,
        )
        return str(copy.to_json(indent))


def _settled(value: Any) -> Any:
    return value.settled() if isinstance(value, Waiting) else value


def _cleaned(value: Any) -> Any:
    """Returns a value that cannot change any more; what is no attribute value, the encoder counts."""
    if isinstance(value, list | tuple):
        return tuple(value)
    return dict(value) if isinstance(value, Mapping) else value
