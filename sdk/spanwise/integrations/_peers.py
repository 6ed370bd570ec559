"""Other instrumentors of the same library: two spans for one call would count its tokens and cost twice.

Where one of them is at work and its spans reach Spanwise anyway (they go through the app's TracerProvider),
ours stands down at call time and says so once. It takes over again when the other one is switched off.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from spanwise import semconv
from spanwise.guard import say_once

_PLACES = (
    "opentelemetry.instrumentation.genai.{name}",
    "opentelemetry.instrumentation.{name}_v2",
    "opentelemetry.instrumentation.{name}",
    "openinference.instrumentation.{name}",
    "openlit.instrumentation.{name}",
)
_OTHER_PLACES = {
    "bedrock": ("opentelemetry.instrumentation.botocore", "opentelemetry.instrumentation.aiobotocore"),
    "google_genai": (
        "opentelemetry.instrumentation.google_generativeai",
        "openlit.instrumentation.google_ai_studio",
    ),
    "chromadb": ("opentelemetry.instrumentation.chromadb", "openlit.instrumentation.chroma"),
}
"""Instrumentors of a library that call it something else than we do."""
_FLAG = "_is_instrumented_by_opentelemetry"
_LOGFIRE = "logfire"
_LOGFIRE_FLAG = "_is_instrumented_by_logfire"
_CLIENTS = ("OpenAI", "Anthropic")
"""Classes that Logfire marks where it has patched them."""
_SCOPES = (
    "opentelemetry.instrumentation.",
    "openinference.instrumentation.",
    "openlit",
    "logfire.",
    "pydantic-ai",
)
_MARKS = ("gen_ai.request.model", "llm.request.type", "gen_ai.system")
_SPAN_KIND = "openinference.span.kind"
_MODEL_KINDS = ("LLM", "EMBEDDING", "RERANKER")


class Peers:
    """The known instrumentors of one library.

    Args:
        name: The library's name, as in ``opentelemetry.instrumentation.<name>``.
    """

    __slots__ = ("_instrumentors", "_modules", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        places = tuple(place.format(name=name) for place in _PLACES)
        self._modules = (*places, *(other for other in _OTHER_PLACES.get(name, ()) if other not in places))
        self._instrumentors: dict[str, list[Any]] = {}

    def at_work(self) -> str | None:
        """Returns the module of an instrumentor that has patched the library now, if there is one."""
        loaded = sys.modules
        for module in self._modules:
            if module in loaded and self._is_at_work(module, loaded[module]):
                return module
        if _LOGFIRE in loaded and self._name in loaded and _is_marked(loaded[self._name]):
            return _LOGFIRE
        return None

    def are_tracing(self, parent: Context) -> bool:
        """Tells whether another instrumentor traces a call made in ``parent``, and logs the first time.

        It does when it has patched the library now. One that was switched off and left its patches behind
        (OpenLLMetry's for OpenAI stay on) is known by its open span around the call.
        """
        peer = self.at_work() or _tracing_scope(parent)
        if peer is None:
            return False
        peer = next((module for module in self._modules if peer.startswith(module)), peer)
        say_once(
            f"peer {peer}",
            "spanwise: %s already traces %s; Spanwise leaves these calls to it. "
            "Its spans are recorded as they are; uninstrument it to get ours.",
            peer,
            self._name,
        )
        return True

    def _is_at_work(self, name: str, module: Any) -> bool:
        classes = self._instrumentors.get(name)
        if not classes:
            classes = [
                value
                for value in vars(module).values()
                if isinstance(value, type) and hasattr(value, _FLAG) and value.__module__.startswith(name)
            ]
            self._instrumentors[name] = classes
        return any(getattr(getattr(kind, "_instance", None), _FLAG, False) for kind in classes)


def when_one_is_switched(base: Any, refresh: Callable[[], None]) -> None:
    """Calls ``refresh`` whenever an instrumentor has patched something or taken its patches off.

    Args:
        base: The module ``opentelemetry.instrumentation.instrumentor``.
        refresh: Must not raise.
    """
    from spanwise.integrations._patch import apply

    def switch(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return wrapped(*args, **kwargs)
        finally:
            refresh()

    apply(base, "BaseInstrumentor.instrument", switch)
    apply(base, "BaseInstrumentor.uninstrument", switch)


def _is_marked(library: Any) -> bool:
    """Tells whether Logfire has patched a client class of the library."""
    kinds = vars(library)
    return any(getattr(kinds.get(name), _LOGFIRE_FLAG, False) for name in _CLIENTS)


def _tracing_scope(parent: Context) -> str | None:
    """Returns the scope of the span around a call if it is another instrumentor's of a model call."""
    if not parent:
        return None
    span: Any = get_current_span(parent)
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", None)
    if scope is None or not _is_peers(scope) or not span.is_recording():
        return None
    attributes = span.attributes or {}
    if operation := attributes.get(semconv.OPERATION_NAME):
        is_model_call = operation in semconv.INFERENCE_OPERATIONS
    elif kind := attributes.get(_SPAN_KIND):
        is_model_call = kind in _MODEL_KINDS
    else:
        is_model_call = any(mark in attributes for mark in _MARKS)
    return scope if is_model_call else None


@lru_cache(maxsize=256)
def _is_peers(scope: str) -> bool:
    return scope.startswith(_SCOPES)
