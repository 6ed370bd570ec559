"""The spans that wait for export: a queue bounded in bytes, not in number.

Spans of language models are large and uneven, so a bound in number is either wasteful or leaky. Whatever was
taken keeps counting until it is settled, so that the bound holds for what is in flight as well.
"""

import threading
from collections import deque
from dataclasses import dataclass

from spanwise.encode import EndedSpan

BATCH_SPANS = 512
BATCH_BYTES = 4 * 1024 * 1024
"""A batch is complete at whichever comes first; the bytes are those of ``EndedSpan.size_bytes``."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans taken from the backlog, to be settled exactly once."""

    items: list[EndedSpan]
    size_bytes: int


class Backlog:
    """A first-in first-out queue of ended spans.

    ``put`` is called on the app's threads and costs about a microsecond; it never blocks, and refuses what
    does not fit (and counts it) instead of discarding what was accepted before.

    Args:
        max_bytes: Estimated memory that waiting spans may take.
        max_spans: Bound in number too, for who sets ``OTEL_BSP_MAX_QUEUE_SIZE``.
        batch_spans: Spans a batch.
    """

    def __init__(self, max_bytes: int, max_spans: int | None = None, batch_spans: int = BATCH_SPANS) -> None:
        self.max_bytes = max_bytes
        self.max_spans = max_spans
        self.batch_spans = batch_spans
        self.reset()

    def reset(self) -> None:
        """Empties the queue and zeroes its counts. A forked child calls it: its parent owns those spans."""
        # Reentrant: a span may end in a finalizer that the garbage collector runs inside this very code.
        self._lock = threading.RLock()
        # Released by producers, acquired by the worker: a semaphore that a finalizer may touch at any time,
        # which threading.Event does not allow.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._items: deque[EndedSpan] = deque()
        self.waiting_bytes = 0
        """Of the spans not taken yet."""
        self.held_bytes = 0
        """Of the spans not taken and of those not settled."""
        self.accepted = 0
        self.settled = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def held(self) -> int:
        """Spans that are neither delivered nor given up."""
        return self.accepted - self.settled

    @property
    def is_batch_ready(self) -> bool:
        """True when waiting longer would not make the next batch larger."""
        return len(self._items) >= self.batch_spans or self.waiting_bytes >= BATCH_BYTES

    def put(self, item: EndedSpan) -> bool:
        """Adds a span and wakes the worker when there is something new for it to do.

        Returns:
            False when the span was dropped because the queue is full.
        """
        size = item.size_bytes
        with self._lock:
            if self.held_bytes + size > self.max_bytes or (
                self.max_spans is not None and self.accepted - self.settled >= self.max_spans
            ):
                self.dropped += 1
                return False
            self._items.append(item)
            self.accepted += 1
            self.held_bytes += size
            before = self.waiting_bytes
            self.waiting_bytes = before + size
            count = len(self._items)
        if count in (1, self.batch_spans) or before < BATCH_BYTES <= before + size:
            self.wake()
        return True

    def take(self) -> Batch | None:
        """Removes and returns the next batch, or None when nothing waits."""
        items: list[EndedSpan] = []
        size = 0
        with self._lock:
            while self._items and len(items) < self.batch_spans and size < BATCH_BYTES:
                item = self._items.popleft()
                items.append(item)
                size += item.size_bytes
            self.waiting_bytes -= size
        return Batch(items, size) if items else None

    def settle(self, batch: Batch) -> None:
        """Frees the room of a batch that was delivered or given up."""
        with self._lock:
            self.held_bytes -= batch.size_bytes
            self.settled += len(batch.items)

    def wake(self) -> None:
        """Ends the worker's present or next ``wait``."""
        if self._wake.locked():
            try:
                self._wake.release()
            except RuntimeError:
                return  # another thread released it first, which serves as well

    def wait(self, timeout_s: float) -> bool:
        """Blocks until woken, at most for ``timeout_s``; negative waits for ever. False on a timeout."""
        return self._wake.acquire(timeout=timeout_s)
