"""Our own TracerProvider, for apps that have none."""

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor as OtelSpanProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NoOpTracer, Tracer

from spanwise.call_span import CallTracer
from spanwise.processor import SCOPE_PREFIX, SpanProcessor


class OwnTracerProvider(TracerProvider):
    """OpenTelemetry's provider, which never exports on its own at exit (we do) and forks safely under gevent.

    Knows whether only Spanwise listens to it: then our own calls get light spans.

    Args:
        resource: What its spans are recorded with.
        sampler: Which traces are kept; ``None`` is what the environment says to OpenTelemetry's SDK.
    """

    def __init__(self, resource: Resource, sampler: Sampler | None = None) -> None:
        super().__init__(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self.listener: SpanProcessor | None = None
        self._has_others = any(name.startswith("OTEL_") and "_LIMIT" in name for name in os.environ)

    def add_span_processor(self, span_processor: OtelSpanProcessor) -> None:
        """Is called by the pipeline, and by an app that found this provider and wants its spans too."""
        super().add_span_processor(span_processor)
        if isinstance(span_processor, SpanProcessor) and self.listener is None:
            self.listener = span_processor
        else:
            self._has_others = True

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """Returns a tracer, for Spanwise's own calls one of light spans."""
        stock = super().get_tracer(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )
        if instrumenting_module_name != SCOPE_PREFIX or isinstance(stock, NoOpTracer):
            return stock
        scope = InstrumentationScope(instrumenting_module_name, instrumenting_library_version, schema_url)
        return CallTracer(self, stock, scope)

    @property
    def is_ours_alone(self) -> bool:
        """True while no processor but ours would see a span."""
        return not self._has_others and self.listener is not None

    def _handle_fork(self) -> None:
        """Runs in every forked child, also in one that is about to start another program.

        OpenTelemetry's own method starts threads here. Under gevent that lets the parent's greenlets go on in
        the child before it has done what it was forked for; each may fork in turn, without end.
        """
        if _is_gevent_at_work():
            self._tracers_lock = threading.Lock()
            return
        inherited = getattr(super(), "_handle_fork", None)  # older versions have none
        if inherited is not None:
            inherited()


def _is_gevent_at_work() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
