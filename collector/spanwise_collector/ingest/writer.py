"""Group commit: the spans of concurrent requests become one insert, and each request waits for its own.

At most one insert runs at a time; what arrives meanwhile joins the next. An insert waits a little for
requests that are still being read or decoded. Whoever was just answered is likely to send again at once, and
a row costs half as much in a large insert: so it also waits for as many requests as there were when the last
one ended. When nothing is under way, nothing is waited for. Memory is bounded: a request first reserves its
bytes, and is told to come back later when there are none left. A refused group is halved until the bad span
is found, so that one sender's poison fails that sender alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from spanwise_collector.errors import BadRequest, CollectorError, Unavailable
from spanwise_collector.metrics import Metrics

T = TypeVar("T")
"""What is written: spans, or scores."""
MAX_GROUP_SPANS = 8192
"""Spans in one insert; more wait for the next."""


@dataclass(slots=True)
class _Entry(Generic[T]):
    spans: list[T]
    done: asyncio.Future[list[T]]
    refused: list[T] = field(default_factory=list)


class Reservation:
    """One request's place in the queue: its bytes until it is answered, and that its spans are coming."""

    __slots__ = ("_release", "is_coming", "size")

    def __init__(self, release: "Callable[[Reservation], None]") -> None:
        self._release = release
        self.size = 0
        self.is_coming = True

    def close(self) -> None:
        """Gives everything back."""
        self._release(self)


class Writer(Generic[T]):
    """Commits spans in groups. Belongs to one event loop.

    Args:
        insert: Stores durably, or raises ``BadRequest`` (bad rows) or ``Unavailable``.
        metrics: Where inserts are counted.
        max_queue_bytes: Bytes of requests that may be under way.
        linger_s: Seconds that an insert waits at most for requests that are coming.
    """

    def __init__(
        self,
        insert: Callable[[Sequence[T]], None],
        metrics: Metrics,
        *,
        max_queue_bytes: int,
        linger_s: float = 0.05,
    ) -> None:
        self._insert_now, self._metrics = insert, metrics
        self._max_bytes, self._linger_s = max_queue_bytes, linger_s
        self._waiting: deque[_Entry[T]] = deque()
        self._waiting_spans = 0
        self._reserved = 0
        self._wake = asyncio.Event()
        self._coming = 0
        self._expected = 0
        self._committed_at = 0.0
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._accounts = Lock()

    def start(self) -> None:
        """Starts committing; called on the event loop."""
        self._task = asyncio.create_task(self._run(), name="spanwise-writer")

    async def stop(self) -> None:
        """Commits what was accepted, then ends."""
        self._is_stopping = True
        self._wake.set()
        self._ready.set()
        if self._task is not None:
            await self._task

    def reserve(self) -> Reservation:
        """Returns an empty reservation; ``grow`` fills it, and ``close`` must be called in the end."""
        self._coming += 1
        return Reservation(self._release)

    def grow(self, reservation: Reservation, size: int) -> None:
        """Adds bytes to a reservation; may be called from any thread.

        Raises:
            Unavailable: The queue is full.
        """
        if self._is_stopping:
            raise Unavailable("the server is stopping", fix="send the same request again", retry_after_s=2)
        with self._accounts:
            held = self._reserved
            # One request alone may be larger than the queue: its own limit is the body's.
            if held - reservation.size > 0 and held + size > self._max_bytes:
                raise Unavailable(
                    f"{held} bytes of spans wait to be stored, the limit is {self._max_bytes}",
                    fix="send the same request again later, or raise max_queue_bytes",
                )
            self._reserved += size
            reservation.size += size
        self._metrics.queue_bytes.set(self._reserved)

    def _release(self, reservation: Reservation) -> None:
        self._arrive(reservation)
        with self._accounts:
            self._reserved -= reservation.size
            reservation.size = 0
        self._metrics.queue_bytes.set(self._reserved)

    def leave(self, reservation: Reservation) -> None:
        """Says that nothing of this request will be written here: no insert needs to wait for it."""
        self._arrive(reservation)

    def _arrive(self, reservation: Reservation) -> None:
        if reservation.is_coming:
            reservation.is_coming = False
            self._coming -= 1
        if self._is_group_complete():
            self._ready.set()

    async def write(self, spans: list[T], reservation: Reservation) -> list[T]:
        """Stores spans and returns once they are durable.

        Returns:
            The spans that the store refused for good; empty when all are stored.

        Raises:
            Unavailable: The store is in trouble; nothing was acknowledged.
        """
        if not spans:
            return []
        if self._task is None or self._task.done():
            raise Unavailable("the server is stopping", fix="send the same request again", retry_after_s=2)
        entry: _Entry[T] = _Entry(spans, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._waiting_spans += len(spans)
        self._wake.set()
        self._arrive(reservation)
        # A client that hangs up must not take its spans out of a group that is being committed.
        return await asyncio.shield(entry.done)

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._is_stopping:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._gather()
            group = self._take_group()
            await self._commit(group)
            self._committed_at = asyncio.get_running_loop().time()
            self._expected = len(group) + len(self._waiting) + self._coming

    def _is_group_complete(self) -> bool:
        if self._waiting_spans >= MAX_GROUP_SPANS:
            return True
        return self._coming == 0 and len(self._waiting) >= self._expected

    async def _gather(self) -> None:
        if asyncio.get_running_loop().time() - self._committed_at > self._linger_s:
            self._expected = 0  # the senders of the last group are at rest
        if self._is_stopping or self._is_group_complete():
            return
        self._ready.clear()
        try:
            await asyncio.wait_for(self._ready.wait(), self._linger_s)
        except TimeoutError:
            return  # a slow sender: the others do not wait for it any longer

    def _take_group(self) -> list[_Entry[T]]:
        group: list[_Entry[T]] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].spans) <= MAX_GROUP_SPANS):
            entry = self._waiting.popleft()
            size += len(entry.spans)
            group.append(entry)
        self._waiting_spans -= size
        return group

    async def _commit(self, group: list[_Entry[T]]) -> None:
        spans = [span for entry in group for span in entry.spans]
        try:
            await self._insert(spans)
        except BadRequest:
            await self._split(group)
        except Exception as error:  # noqa: BLE001 (whatever it is, every waiting request gets an answer)
            failure = _as_unavailable(error)
            for entry in group:
                if not entry.done.done():
                    entry.done.set_exception(failure)
                    entry.done.exception()  # read here, in case the client has gone
        else:
            for entry in group:
                if not entry.done.done():
                    entry.done.set_result(entry.refused)

    async def _split(self, group: list[_Entry[T]]) -> None:
        self._metrics.bisections.inc()
        if len(group) > 1:
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
            return
        entry = group[0]
        if len(entry.spans) == 1:
            entry.refused.append(entry.spans[0])
            if not entry.done.done():
                entry.done.set_result(entry.refused)
            return
        await self._split_request(entry)

    async def _split_request(self, entry: _Entry[T]) -> None:
        pending = [entry.spans]
        try:
            while pending:
                spans = pending.pop()
                middle = len(spans) // 2
                for half in (spans[:middle], spans[middle:]):
                    try:
                        await self._insert(half)
                    except BadRequest:
                        if len(half) == 1:
                            entry.refused += half
                        else:
                            pending.append(half)
        except Exception as error:  # noqa: BLE001 (the request gets an answer)
            if not entry.done.done():
                entry.done.set_exception(_as_unavailable(error))
                entry.done.exception()
            return
        if not entry.done.done():
            entry.done.set_result(entry.refused)

    async def _insert(self, spans: list[T]) -> None:
        with self._metrics.insert_seconds.time():
            await asyncio.to_thread(self._insert_now, spans)
        self._metrics.batches.inc()


def _as_unavailable(error: Exception) -> CollectorError:
    if isinstance(error, Unavailable):
        return error
    return Unavailable(f"the store failed: {error}", fix="send the same request again")
