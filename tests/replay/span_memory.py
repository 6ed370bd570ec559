"""A pipeline that keeps spans in memory, and turns them into the form that the API answers with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, Tracer

from spanwise import integrations, runtime
from spanwise.capture import Capture
from spanwise.config import Config
from spanwise.content import decoded

_FIELDS = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
    "error_type": "error.type",
}
_CONTENT = {
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "system_instructions": "gen_ai.system_instructions",
    "tool_definitions": "gen_ai.tool.definitions",
}


class SpanMemory:
    """Implements ``spanwise.runtime.SpanPipeline`` with OpenTelemetry's in-memory exporter."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.content: dict[int, dict[str, Any]] = {}
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def tracer(self) -> Tracer:
        return self.provider.get_tracer("spanwise")

    def put_content(self, span: Span, content: Mapping[str, object]) -> None:
        values = {key: decoded(value) for key, value in content.items()}
        self.content.setdefault(span.get_span_context().span_id, {}).update(values)

    def flush(self, timeout_s: float = 30.0) -> bool:
        return True

    def shutdown(self, timeout_s: float | None = None) -> bool:
        self.provider.shutdown()
        return True

    def take(self) -> list[dict[str, Any]]:
        """Returns the spans that have ended since the last call, in the API's form."""
        spans = [self._as_api(span) for span in self.exporter.get_finished_spans()]
        self.exporter.clear()
        return spans

    def _as_api(self, span: ReadableSpan) -> dict[str, Any]:
        attributes = dict(span.attributes or {})
        content = self.content.get(span.context.span_id, {})
        reasons = attributes.get("gen_ai.response.finish_reasons")
        return {
            "name": span.name,
            "status": span.status.status_code.name.lower(),
            "status_message": span.status.description,
            "finish_reasons": list(reasons) if reasons is not None else None,
            "attributes": attributes | content,
            "events": [{"name": event.name, **(event.attributes or {})} for event in span.events],
            **{field: attributes.get(key) for field, key in _FIELDS.items()},
            **{field: content.get(key) for field, key in _CONTENT.items()},
        }


@contextmanager
def traced(libraries: Sequence[str] = ("openai", "anthropic"), **settings: Any) -> Iterator[SpanMemory]:
    """Instruments libraries, all when none is named, with spans in memory; all is undone at the end."""
    config = Config.from_env(endpoint="http://127.0.0.1:9", **({"scrub": False} | settings))
    memory = SpanMemory()
    before = runtime.install(runtime.Runtime(config, memory, Capture(config)))
    integrations.instrument(*libraries)
    try:
        yield memory
    finally:
        integrations.uninstrument(*libraries)
        runtime.install(before)
