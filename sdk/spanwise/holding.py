"""Spans that wait for the outcome of their trace: what ``keep_errors`` is made of.

Sampling decides when a trace begins, and whether it fails is known when it ends. Until then its spans wait
here, those that sampling leaves out and those that it keeps alike: a trace that fails is kept in either case,
so that each of its spans stands for itself alone, and says so (``ot=th:0``); one that does not is what
sampling made of it. Sums weighed with ``ot=th`` stay true that way.

"Trace" is the part of it in this process: from the first span to the end of the last that is open.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.trace import SpanContext

from spanwise.encode import EndedSpan
from spanwise.sampling import is_whole

logger = logging.getLogger("spanwise")

MAX_WAIT_S = 300.0
"""Seconds after which a trace that has not ended is left to sampling: its spans do not wait any longer."""
MAX_TRACES = 10_000


class _Trace:
    """What is known of one live trace."""

    __slots__ = ("began_at", "has_failed", "is_sampled", "is_settled", "items", "open", "size_bytes")

    def __init__(self, is_sampled: bool) -> None:
        self.is_sampled = is_sampled
        self.is_settled = False
        self.has_failed = False
        """True when it is kept for an error."""
        self.open = 0
        self.items: list[EndedSpan] = []
        self.size_bytes = 0
        self.began_at = time.monotonic()


class Holding:
    """Holds the spans of live traces, bounded in bytes, number and time. Called on the app's threads.

    Args:
        max_bytes: Memory that waiting spans may take. Past it the longest waiting trace is left to sampling.
        put: Takes a span that is exported.
    """

    def __init__(self, max_bytes: int, put: Callable[[EndedSpan], object]) -> None:
        self._max_bytes = max_bytes
        self._put = put
        self.reset()

    def reset(self) -> None:
        """Forgets everything: after a fork it is the parent's."""
        # Reentrant: a span may end in a finalizer that the garbage collector runs inside this very code.
        self._lock = threading.RLock()
        self._traces: dict[int, _Trace] = {}
        self._undecided: dict[int, _Trace] = {}
        """Those of them that wait, the oldest first."""
        self._released: deque[EndedSpan] = deque()
        self.size_bytes = 0
        self.unjudged = 0
        """Traces that sampling left out before it was known whether they fail: no room, or no time."""

    @staticmethod
    def concerns(context: SpanContext) -> bool:
        """Tells whether it matters for a span how its trace ends: not where everything is kept anyway."""
        return not context.trace_flags.sampled or not is_whole(context.trace_state)

    def start(self, context: SpanContext) -> None:
        """Counts a span that has started."""
        with self._lock:
            self._live(context).open += 1
            self._relieve()
        self._export()

    def end(self, context: SpanContext, item: EndedSpan | None, has_failed: bool) -> None:
        """Takes a span that has ended.

        Args:
            context: Its ids.
            item: The span; ``None`` when it is none that is exported.
            has_failed: Whether its trace is kept for it.
        """
        with self._lock:
            trace = self._live(context)
            trace.open -= 1
            if item is not None:
                trace.items.append(item)
                trace.size_bytes += item.size_bytes
                self.size_bytes += item.size_bytes
                if has_failed and not trace.is_settled:
                    trace.has_failed = True
                    self._settle(context.trace_id, trace)
            if trace.open <= 0:
                self._traces.pop(context.trace_id, None)
                self._settle(context.trace_id, trace)
            elif trace.is_settled:
                self._release(trace)
            self._relieve()
        self._export()

    def let_go(self) -> None:
        """Leaves everything that waits to sampling: the pipeline is shut down."""
        with self._lock:
            for trace_id, trace in list(self._undecided.items()):
                self._settle(trace_id, trace)
        self._export()

    def _live(self, context: SpanContext) -> _Trace:
        trace = self._traces.get(context.trace_id)
        if trace is None:
            trace = self._traces[context.trace_id] = _Trace(context.trace_flags.sampled)
            self._undecided[context.trace_id] = trace
        return trace

    def _settle(self, trace_id: int, trace: _Trace) -> None:
        trace.is_settled = True
        self._undecided.pop(trace_id, None)
        self._release(trace)

    def _release(self, trace: _Trace) -> None:
        """Passes on what a settled trace holds, or forgets it."""
        items, trace.items = trace.items, []
        self.size_bytes -= trace.size_bytes
        trace.size_bytes = 0
        if trace.has_failed:
            self._released.extend(item._replace(is_kept_for_error=True) for item in items)
        elif trace.is_sampled:
            self._released.extend(items)

    def _relieve(self) -> None:
        """Leaves the oldest traces to sampling where there are too many, or too old ones."""
        while self._undecided:
            trace_id, trace = next(iter(self._undecided.items()))
            is_crowded = self.size_bytes > self._max_bytes or len(self._undecided) > MAX_TRACES
            if not is_crowded and time.monotonic() - trace.began_at < MAX_WAIT_S:
                break
            if not trace.is_sampled:
                self._count_unjudged()
            self._settle(trace_id, trace)
        while len(self._traces) > 2 * MAX_TRACES:  # with spans that never end
            self._traces.pop(next(iter(self._traces)))

    def _count_unjudged(self) -> None:
        self.unjudged += 1
        if self.unjudged == 1:
            logger.warning(
                "spanwise: keep_errors: a trace was left to sampling before it ended; traces wait for up to "
                "%.0f s, all of them in %.3g MiB. Further ones are counted, not logged.",
                MAX_WAIT_S,
                self._max_bytes / 2**20,
            )

    def _export(self) -> None:
        """Passes on what was released, outside the lock: whoever takes it has a lock of its own."""
        while self._released:
            try:
                item = self._released.popleft()
            except IndexError:
                return  # another thread took it
            self._put(item)
