"""When a call makes no span: OpenTelemetry's switches, and calls nested in a call that is already traced.

Also the one way our code attaches a context. ``detach`` here never logs: a coroutine or generator that the
garbage collector closes runs its ``finally`` in another context than it started in, where OpenTelemetry's
own ``detach`` prints "Failed to detach context" although nothing is wrong.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context

_INFERENCE = otel.create_key("spanwise-inference")
_CALL = otel.create_key("spanwise-call")
_SWITCHES = (
    _INFERENCE,
    otel._SUPPRESS_INSTRUMENTATION_KEY,
    "suppress_instrumentation",
    "suppress_language_model_instrumentation",
)

_variable = getattr(otel._RUNTIME_CONTEXT, "_current_context", None)
attach: "Callable[[Context], Token[Any]]" = otel.attach
_reset: "Callable[[Any], None]" = otel._RUNTIME_CONTEXT.detach
if isinstance(_variable, ContextVar):
    # The variable itself: a stream attaches and detaches at every chunk, and OpenTelemetry's own functions
    # are two calls more each.
    attach, _reset = _variable.set, _variable.reset
get_current = otel.get_current


def is_suppressed(context: Context) -> bool:
    """Tells whether a model call that starts in ``context`` makes no span.

    True inside OpenTelemetry's ``suppress_instrumentation()``, under OpenLLMetry's
    ``suppress_language_model_instrumentation``, and inside another model call that is being traced.
    """
    for switch in _SWITCHES:  # noqa: SIM110  any() over a generator costs as much as all of it
        if context.get(switch):
            return True
    return False


def is_instrumentation_suppressed(context: Context) -> bool:
    """Tells whether OpenTelemetry's ``suppress_instrumentation()`` is in force in ``context``."""
    return bool(context.get(otel._SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"))


def within_inference(context: Context) -> Context:
    """Returns ``context`` marked so that model calls below it make no spans of their own."""
    return otel.set_value(_INFERENCE, True, context)


def within_call(context: Context, provider: str) -> Context:
    """Returns ``context`` marked as inside a traced call of ``provider`` that may contain model calls."""
    return otel.set_value(_CALL, provider, context)


def is_within_call(provider: str) -> bool:
    """Tells whether the current context is inside such a call: what is called now is part of it."""
    return get_current().get(_CALL) == provider


def suppressed(context: Context) -> Context:
    """Returns ``context`` with OpenTelemetry's ``suppress_instrumentation()`` in force."""
    return otel.set_value(otel._SUPPRESS_INSTRUMENTATION_KEY, True, context)


def has_provider() -> bool:
    """Tells whether a TracerProvider is set up, so that the spans of other instrumentors are recorded."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def detach(token: "Token[Any]") -> None:
    """Undoes ``attach``. Does nothing where the token's context is gone."""
    try:
        _reset(token)
    except ValueError:
        return  # another context than the one attached in: that one is dead, and with it what was attached
