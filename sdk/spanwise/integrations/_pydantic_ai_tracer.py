"""The tracer that PydanticAI is given: its spans become ours, and what people and models wrote stays with us.

PydanticAI writes messages as span attributes, which every exporter of the app would see. The spans made here
hand them to Spanwise's side table instead, after truncation and scrubbing.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Tracer, TracerProvider, use_span

from spanwise import guard, runtime, semconv
from spanwise.suppression import attach, detach, get_current, is_suppressed, within_inference

_CONTENT = {key: key for key in semconv.CONTENT_KEYS} | {
    "pydantic_ai.all_messages": semconv.INPUT_MESSAGES,
    "final_result": semconv.STEP_OUTPUT,
    "tool_arguments": semconv.TOOL_CALL_ARGUMENTS,
    "tool_response": semconv.TOOL_CALL_RESULT,
}
"""Attribute of PydanticAI that holds content -> ours. The last two are its older names."""
_RENAMED = {"gen_ai.usage.details.reasoning_tokens": semconv.USAGE_REASONING_OUTPUT_TOKENS}
_BUSY = "_spanwise_is_writing"
_WRITERS = ("end", "update_name", "set_status", "add_event", "record_exception")


class SpanwiseProvider(TracerProvider):
    """Gives PydanticAI the one tracer there is."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """Returns the tracer; whose it is, is decided at each span."""
        return _Tracer()


class _Tracer(Tracer):
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Span:
        active = runtime.current()
        if active is None or is_suppressed(get_current() if context is None else context):
            return NoOpTracer().start_span(name, context)
        plain, content = _split(attributes or {})
        try:
            span = active.pipeline.tracer().start_span(name, context, kind, plain, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  samplers and processors of the app run in here
            guard.fault("starting a span of pydantic-ai", error)
            return NoOpTracer().start_span(name, context)
        try:
            if span.is_recording():
                span.__class__ = _guarded(type(span))
                _keep(span, content)
        except Exception as error:  # noqa: BLE001  the span stands without its content
            guard.fault("guarding a span of pydantic-ai", error)
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the same arguments, passed on
        self, name: str, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> Iterator[Span]:
        end_on_exit = kwargs.pop("end_on_exit", True)
        span = self.start_span(name, context, *args, **kwargs)
        around = get_current() if context is None else context
        token = attach(within_inference(around) if _is_model_call(kwargs.get("attributes")) else around)
        try:
            with use_span(
                span,
                end_on_exit=end_on_exit,
                record_exception=kwargs.get("record_exception", True),
                set_status_on_exception=kwargs.get("set_status_on_exception", True),
            ):
                yield span
        finally:
            detach(token)


def _is_model_call(attributes: Mapping[str, Any] | None) -> bool:
    """Tells whether a span is the model call itself: the client below then makes none."""
    return (attributes or {}).get(semconv.OPERATION_NAME) in semconv.BILLABLE_OPERATIONS


def _split(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    content = {key: value for key, value in attributes.items() if key in _CONTENT}
    plain = {_RENAMED.get(key, key): value for key, value in attributes.items() if key not in content}
    return plain, content


def _keep(span: Span, content: Mapping[str, Any]) -> None:
    """Puts content into the side table, as policy says."""
    active = runtime.current()
    if not content or active is None or not active.capture.wants_content:
        return
    kept = {_CONTENT[key]: active.capture.content(_loaded(value)) for key, value in content.items()}
    vars(span)[_BUSY] = True  # the capture variable may ask for content on the span: that is written as it is
    try:
        active.pipeline.put_content(span, kept)
    finally:
        del vars(span)[_BUSY]


def _loaded(value: Any) -> Any:
    """Returns what was made JSON, so that limits and scrubbing see its strings."""
    if isinstance(value, str) and value[:1] in ("[", "{", '"'):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


@lru_cache(maxsize=16)
def _guarded(kind: type) -> type:
    """Returns the class of spans that keep content back and never raise: the same, but for the writing."""

    def set_attributes(self: Any, attributes: Mapping[str, Any]) -> None:
        if _BUSY in vars(self):
            kind.set_attributes(self, attributes)  # type: ignore[attr-defined]
            return
        plain, content = _split(attributes)
        try:
            kind.set_attributes(self, plain)  # type: ignore[attr-defined]
            _keep(self, content)
        except Exception as error:  # noqa: BLE001
            guard.fault("recording content of pydantic-ai", error)

    def set_attribute(self: Any, key: str, value: Any) -> None:
        if key in _CONTENT:
            set_attributes(self, {key: value})
            return
        try:
            kind.set_attribute(self, _RENAMED.get(key, key), value)  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001
            guard.fault("writing a span of pydantic-ai", error)

    members: dict[str, Any] = {"set_attributes": set_attributes, "set_attribute": set_attribute}
    members |= {name: _never_raising(kind, name) for name in _WRITERS}
    return type(kind.__name__, (kind,), members | {"__module__": kind.__module__})


def _never_raising(kind: type, name: str) -> Any:
    """Returns a span's method with its faults caught and counted: processors of the app run in some."""

    @wraps(getattr(kind, name))
    def write(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            getattr(kind, name)(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001
            guard.fault("writing a span of pydantic-ai", error)

    return write
