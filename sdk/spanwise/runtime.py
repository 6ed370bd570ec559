"""The one live set-up of this process: settings, pipeline and capture policy, or nothing at all.

Everything that makes spans asks ``current()`` at each call, so that ``instrument()``, ``shutdown()`` and
``uninstrument()`` take effect at once, also for functions that were decorated or patched long before.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from opentelemetry.trace import Span, Tracer

from spanwise.capture import Capture
from spanwise.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spanwise.scores import Score


class SpanPipeline(Protocol):
    """What makes and exports spans, as this part of the SDK sees it (see ``pipeline``)."""

    def tracer(self) -> Tracer:
        """Returns the tracer to start spans with."""

    def put_content(self, span: Span, content: "Mapping[str, object]") -> None:
        """Adds JSON-able content to an open span."""

    def put_score(self, score: "Score") -> None:
        """Sends a score."""

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Exports what has ended so far; False when not everything could be."""

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Exports what has ended so far and stops."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A set-up that is in force."""

    config: Config
    pipeline: SpanPipeline
    capture: Capture


_current: Runtime | None = None


def current() -> Runtime | None:
    """Returns the set-up in force; ``None`` before ``instrument()``, after ``shutdown()``, when disabled."""
    return _current


def install(runtime: Runtime | None) -> Runtime | None:
    """Puts a set-up in force, or none; returns the one that was."""
    global _current
    before, _current = _current, runtime
    return before
