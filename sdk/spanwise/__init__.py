"""Spanwise: LLM observability. One line, ``spanwise.instrument()``, and every model call is a span.

Importing this package is light: OpenTelemetry's SDK and the rest are imported when they are first used.
"""

import importlib

from spanwise._version import __version__

TYPE_CHECKING = False  # type checkers read it as True; importing typing would double the time this takes
if TYPE_CHECKING:
    from spanwise.lifecycle import flush, instrument, shutdown, uninstrument
    from spanwise.privacy import private
    from spanwise.prompts import prompt
    from spanwise.scores import current_span_id, current_trace_id, score
    from spanwise.tracing import agent, context, embedding, retriever, span, step, tool, workflow

__all__ = [
    "__version__",
    "agent",
    "context",
    "current_span_id",
    "current_trace_id",
    "embedding",
    "flush",
    "instrument",
    "private",
    "prompt",
    "retriever",
    "score",
    "shutdown",
    "span",
    "step",
    "tool",
    "uninstrument",
    "workflow",
]

_HOMES = {
    **dict.fromkeys(("flush", "instrument", "shutdown", "uninstrument"), "spanwise.lifecycle"),
    **dict.fromkeys(
        ("agent", "context", "embedding", "retriever", "span", "step", "tool", "workflow"), "spanwise.tracing"
    ),
    **dict.fromkeys(("current_span_id", "current_trace_id", "score"), "spanwise.scores"),
    "private": "spanwise.privacy",
    "prompt": "spanwise.prompts",
}


if not TYPE_CHECKING:  # so that type checkers still find misspelt names

    def __getattr__(name):  # noqa: ANN001, ANN202
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'spanwise' has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(home), name)
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})
