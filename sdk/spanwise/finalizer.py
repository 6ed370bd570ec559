"""What must end although nobody ends it: spans and generators that are left to the garbage collector."""

import _thread
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_WAIT_S = 0.05


def close_from_finalizer(close: Callable[[], None]) -> None:
    """Ends a span from ``__del__``, or from a generator that is closed, which may be the collector's doing.

    The garbage collector may run in the middle of anything, also while this thread holds a lock that ending
    a span needs. So the span is ended by another thread, which is waited for only shortly: not
    long enough to hang, long enough that a span has usually ended when the collector returns.
    """
    if sys.is_finalizing():  # everything has been exported that can be
        return
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            close()
        finally:
            done.release()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:  # no more threads can be started
        close()
        return
    done.acquire(timeout=_WAIT_S)


def unregistered(first_step: Callable[[], T]) -> T:
    """Takes the first step of an asynchronous generator so that the event loop does not learn of it.

    A loop that ends closes every generator it knows, all at the same time. Of a generator and the one that
    follows it, it must know the outer one only: closing both at once fails with "already running". Whoever
    uses this closes the inner generator.

    Args:
        first_step: Calls ``__anext__`` or ``asend`` of a generator that has not begun, and awaits nothing.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=_leave)
    try:
        return first_step()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave(generator: object) -> None:
    """Finalizes nothing: the outer generator, which holds this one, is gone too."""
