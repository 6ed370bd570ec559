"""The thread that takes spans from the backlog to the endpoint: when to send, how long to wait for it.

One daemon thread a process, started with the first span (again in a forked child). What happens to one batch
stands in ``delivery``.
"""

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context as otel

from spanwise import guard
from spanwise.backlog import Backlog
from spanwise.delivery import Delivery


class Worker:
    """Drains a backlog in the background.

    Args:
        backlog: Where ended spans wait.
        delivery: What sends a batch.
        delay_s: Seconds that a span waits at most for others to travel with.
        patience_s: Seconds without a settled batch after which ``flush`` and ``stop`` give up.
    """

    def __init__(self, backlog: Backlog, delivery: Delivery, delay_s: float, patience_s: float) -> None:
        self._backlog = backlog
        self._delivery = delivery
        self._delay_s = delay_s
        self._patience_s = patience_s
        self.reset()

    def reset(self) -> None:
        """Forgets the thread: after a fork, only the calling thread lives on."""
        self._thread: threading.Thread | None = None
        self._start_lock = threading.RLock()
        self._settled = threading.Condition()
        self._progress_at = time.monotonic()
        self._flush_target = 0
        self._is_closing = False
        self._is_threadless = False
        self._delivery.reset()

    @property
    def is_started(self) -> bool:
        """True once this process has recorded a span."""
        return self._thread is not None or self._is_threadless

    def start(self) -> None:
        """Starts the thread, once a process.

        An interpreter that is exiting starts no threads any more: the spans are then sent by ``stop``, in the
        thread that calls it.
        """
        with self._start_lock:
            if self.is_started:
                return
            thread = threading.Thread(target=self._run, name="spanwise-export", daemon=True)
            try:
                # In an empty context: the thread must not hold on to the span that is current here.
                contextvars.Context().run(thread.start)
            except RuntimeError:
                self._is_threadless = True
            else:
                self._thread = thread

    def flush(self, timeout_s: float) -> bool:
        """Sends what has been recorded until now and waits for it.

        Returns:
            False when not all of it was settled in time, or when nothing was settled for ``patience_s``.
        """
        target = self._backlog.accepted
        if self._backlog.settled >= target:
            return True
        if self._is_threadless:
            return self._drain_here(timeout_s)
        self._flush_target = max(self._flush_target, target)
        self._delivery.hurry()
        self._backlog.wake()
        return self._await_settled(target, timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Sends what is left, then ends the thread. Gives up like ``flush``; what is left is lost."""
        if not self.is_started:
            return True
        self._is_closing = True
        self._delivery.close_by(time.monotonic() + timeout_s)
        self._backlog.wake()
        if self._is_threadless:
            is_done = self._drain_here(timeout_s)
        else:
            is_done = self._await_settled(self._backlog.accepted, timeout_s)
        self._delivery.end(self._backlog.held)
        self._backlog.wake()
        return is_done and not self._delivery.counts.lost

    def _await_settled(self, target: int, timeout_s: float) -> bool:
        began_at = time.monotonic()
        with self._settled:
            while self._backlog.settled < target:
                give_up_at = min(began_at + timeout_s, max(began_at, self._progress_at) + self._patience_s)
                remaining_s = give_up_at - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._settled.wait(remaining_s)
        return True

    def _run(self) -> None:
        with _no_instrumentation():
            while self._await_work():
                self._deliver_next()

    def _drain_here(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + min(timeout_s, self._patience_s)
        self._delivery.close_by(deadline)
        with _no_instrumentation():
            while len(self._backlog) and time.monotonic() < deadline:
                self._deliver_next()
        return not self._backlog.held

    def _deliver_next(self) -> None:
        self._backlog.pack()
        batch = self._backlog.take()
        if batch is not None:
            try:
                self._delivery.deliver(batch)
            except Exception as error:  # noqa: BLE001 - the thread must outlive a fault of ours
                self._delivery.count_failure(batch, error)
                guard.fault("export", error)
            finally:
                self._backlog.settle(batch)
        if not len(self._backlog):
            self._delivery.report_dropped(self._backlog.dropped)
        self._progress_at = time.monotonic()
        with self._settled:
            self._settled.notify_all()

    def _await_work(self) -> bool:
        """Blocks until a batch should be sent. False when the thread's work is done."""
        due_at: float | None = None
        while True:
            if self._delivery.is_ended:
                return False
            has_items = len(self._backlog) > 0
            if self._is_closing or self._backlog.settled < self._flush_target:
                if has_items:
                    return True
                if self._is_closing:
                    return False
            if self._backlog.is_batch_ready:
                return True
            if not has_items:
                due_at = None
                self._backlog.wait(-1)
                continue
            now = time.monotonic()
            due_at = due_at or now + self._delay_s
            if now >= due_at:
                return True
            self._backlog.wait(due_at - now)


@contextmanager
def _no_instrumentation() -> Iterator[None]:
    """Keeps OpenTelemetry's instrumentation of HTTP clients from tracing our own requests."""
    context = otel.set_value(otel._SUPPRESS_INSTRUMENTATION_KEY, True)
    context = otel.set_value("suppress_instrumentation", True, context)
    token = otel.attach(context)
    try:
        yield
    finally:
        otel.detach(token)
