"""The spans that wait for export: a queue bounded in bytes, not in number.

Spans of language models are large and uneven, so that a bound in number is either wasteful or leaky. A span
waits first as it ended (``put``, on the app's thread), then encoded, in half the memory (``pack``, on the
worker's). Whatever was taken keeps counting until it is settled: the bound holds for what is in flight too.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spanwise import guard
from spanwise.encode import EncodedSpan, EndedSpan

BATCH_SPANS = 512
BATCH_BYTES = 2 * 1024 * 1024
"""A batch is complete at whichever comes first."""

_SPANS_A_TURN = 16
"""Encoded without a break, 512 spans would keep an app's thread waiting for 5 ms, the interpreter's switch
interval. With breaks, a busy app makes the worker wait as long: hence only while the backlog is small."""
_SPANS_A_PUT = 2
"""What a put encodes when the queue fills up: more than it adds, so that the queue shrinks again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans taken from the backlog, to be settled exactly once."""

    spans: list[EncodedSpan]
    size_bytes: int

    def halves(self) -> "tuple[Batch, Batch]":
        """Returns two batches with the same spans, to be settled as this one."""
        middle = len(self.spans) // 2
        first, second = self.spans[:middle], self.spans[middle:]
        first_bytes = sum(span.size_bytes for span in first)
        return Batch(first, first_bytes), Batch(second, self.size_bytes - first_bytes)


class Backlog:
    """A first-in first-out queue of ended spans.

    ``put`` is called on the app's threads and costs about a microsecond; it never blocks, and refuses what
    does not fit (and counts it) instead of discarding what was accepted before. Past a quarter of the room it
    encodes too, since a burst can keep the worker from the interpreter for seconds. ``pack``, ``take`` and
    ``wait`` are the worker's.

    Args:
        max_bytes: Memory that waiting spans may take.
        encode: What turns an ended span into an encoded one.
        on_work: Called before the worker is woken by a put; sees to it that there is one.
        max_spans: Bound in number too, for who sets ``OTEL_BSP_MAX_QUEUE_SIZE``.
        batch_spans: Spans a batch.
    """

    def __init__(
        self,
        max_bytes: int,
        encode: Callable[[EndedSpan], EncodedSpan],
        on_work: Callable[[], None],
        max_spans: int | None = None,
        batch_spans: int = BATCH_SPANS,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_spans = max_spans
        self._batch_spans = batch_spans
        self._encode = encode
        self._on_work = on_work
        self.reset()

    def reset(self) -> None:
        """Empties the queue and zeroes its counts. A forked child calls it: its parent owns those spans."""
        # Reentrant: a span may end in a finalizer that the garbage collector runs inside this very code.
        self._lock = threading.RLock()
        # Released by producers, acquired by the worker: a semaphore that a finalizer may touch at any time,
        # which threading.Event does not allow.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._ended: deque[EndedSpan] = deque()
        self._ended_bytes = 0
        self._encoded: deque[EncodedSpan] = deque()
        self.held_bytes = 0
        """Memory of the spans that are neither delivered nor given up."""
        self.accepted = 0
        self.settled = 0
        self.dropped = 0
        """Spans that found no room."""
        self.failed = 0
        """Spans that could not be encoded."""

    def __len__(self) -> int:
        return len(self._ended) + len(self._encoded)

    @property
    def held(self) -> int:
        """Spans that are neither delivered nor given up."""
        return self.accepted - self.settled

    @property
    def is_batch_ready(self) -> bool:
        """True when waiting longer would not make the next batch larger."""
        return len(self) >= self._batch_spans or self._ended_bytes >= BATCH_BYTES

    def put(self, item: EndedSpan) -> bool:
        """Adds a span and wakes the worker when there is something new for it to do.

        Returns:
            False when the span was dropped because the queue is full.
        """
        size = item.size_bytes
        with self._lock:
            if self.held_bytes + size > self._max_bytes or (
                self._max_spans is not None and self.held >= self._max_spans
            ):
                self.dropped += 1
                return False
            self._ended.append(item)
            self.accepted += 1
            self.held_bytes += size
            before = self._ended_bytes
            self._ended_bytes = before + size
            count = len(self._ended)
        if count in (1, self._batch_spans) or before < BATCH_BYTES <= before + size:
            self._on_work()
            self.wake()
        if self.held_bytes > self._max_bytes // 4:  # the worker gets no turn: who makes spans makes room
            for _ in range(_SPANS_A_PUT):
                self._pack_one()
        return True

    def pack(self) -> None:
        """Encodes what has ended: a batch of it or, when a lot is waiting, many."""
        is_pressed = self._ended_bytes > self._max_bytes // 16
        for count in range(1, self._batch_spans * (16 if is_pressed else 1) + 1):
            if not self._pack_one():
                return
            if not is_pressed and count % _SPANS_A_TURN == 0:
                time.sleep(0)

    def _pack_one(self) -> bool:
        """Encodes the span that has waited longest, in whatever thread; False when there is none.

        Encoded, it takes a fraction of the memory.
        """
        try:
            item = self._ended.popleft()
        except IndexError:
            return False
        try:
            encoded = self._encode(item)
        except Exception as error:  # noqa: BLE001 - the other spans are sent all the same
            self.failed += 1
            self._account(item.size_bytes, 0, settled=1)
            guard.fault("encoding a span", error)
            return True
        self._account(item.size_bytes, encoded.size_bytes)
        self._encoded.append(encoded)
        return True

    def take(self) -> Batch | None:
        """Removes and returns the next batch of encoded spans, or None when there are none."""
        spans: list[EncodedSpan] = []
        size = 0
        while self._encoded and len(spans) < self._batch_spans and size < BATCH_BYTES:
            span = self._encoded.popleft()
            spans.append(span)
            size += span.size_bytes
        return Batch(spans, size) if spans else None

    def settle(self, batch: Batch) -> None:
        """Frees the room of a batch that was delivered or given up."""
        with self._lock:
            self.held_bytes -= batch.size_bytes
            self.settled += len(batch.spans)

    def wake(self) -> None:
        """Ends the worker's present or next ``wait``."""
        if self._wake.locked():
            try:
                self._wake.release()
            except RuntimeError:
                return  # another thread released it first, which serves as well

    def wait(self, timeout_s: float) -> bool:
        """Blocks until woken, at most for ``timeout_s``; -1 waits for ever. False on a timeout."""
        return self._wake.acquire(timeout=timeout_s)

    def _account(self, ended_bytes: int, encoded_bytes: int, settled: int = 0) -> None:
        with self._lock:
            self._ended_bytes -= ended_bytes
            self.held_bytes += encoded_bytes - ended_bytes
            self.settled += settled
