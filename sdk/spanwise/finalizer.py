"""Ending a span from inside the garbage collector, where taking a lock may hang the process for ever."""

import _thread
from collections.abc import Callable

_WAIT_S = 0.05


def close_from_finalizer(close: Callable[[], None]) -> None:
    """Ends a span from ``__del__``, or from a generator that is closed, which may be the collector's doing.

    The garbage collector may run in the middle of anything, also while this thread holds a lock that ending
    a span needs. So the span is ended by another thread, which is waited for only shortly: not
    long enough to hang, long enough that a span has usually ended when the collector returns.
    """
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            close()
        finally:
            done.release()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:  # the interpreter is shutting down and starts no more threads
        close()
        return
    done.acquire(timeout=_WAIT_S)
