"""The life of the process as far as export has to know of it: exit in all its forms, and fork.

``atexit`` covers the ordinary end. Children of ``multiprocessing`` end without it, and run its finalizers
instead; a forked child that ends by ``os._exit`` (pre-fork servers and task queues do) runs nothing at all,
nor does a server that has shut down in order and then raises the signal that it caught once more (uvicorn).
"""

import atexit
import os
import signal
import sys
from typing import NoReturn, Protocol


class Exporting(Protocol):
    """Something that holds spans and a thread."""

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Sends what is left."""

    def start_over(self) -> None:
        """Forgets what belongs to the parent process."""


_live: set[Exporting] = set()
_is_registered = False
_EXIT_PRIORITY = -100
"""After the finalizers of the app's own, which may still record spans."""


def follow(exporting: Exporting) -> None:
    """Shuts it down at exit and starts it over in forked children, until ``forget``."""
    global _is_registered
    _live.add(exporting)
    if not _is_registered:
        _is_registered = True
        atexit.register(_shut_down)
        signal.raise_signal = _LastSignal()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_start_over)


def forget(exporting: Exporting) -> None:
    """Ends what ``follow`` began: it was shut down."""
    _live.discard(exporting)


def note_first_span() -> None:
    """Is called when a process records its first span, in a child for the first of its own."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, _shut_down, exitpriority=_EXIT_PRIORITY)


def _shut_down() -> None:
    for exporting in list(_live):
        exporting.shutdown()


def _start_over() -> None:
    for exporting in list(_live):
        exporting.start_over()
    if _live and not isinstance(os._exit, _LastExit):
        os._exit = _LastExit()


class _LastExit:
    """Stands for ``os._exit`` in a forked child: sends what the child recorded, then exits as asked.

    Costs nothing when the child recorded no span, and at most the deadlines of ``shutdown`` when it did.
    """

    def __init__(self) -> None:
        self._exit = os._exit

    def __call__(self, status: int) -> NoReturn:
        try:
            _shut_down()
        finally:
            self._exit(status)


class _LastSignal:
    """Stands for ``signal.raise_signal``: sends what was recorded before a signal that ends the process.

    Only where the process signals itself and nothing handles it; signals from outside and handlers of the
    app's are none of our business.
    """

    _FATAL = frozenset(
        getattr(signal, name)
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGBREAK")
        if hasattr(signal, name)
    )

    def __init__(self) -> None:
        self._raise = signal.raise_signal

    def __call__(self, signalnum: int, /) -> None:
        try:
            if signalnum in self._FATAL and signal.getsignal(signalnum) is signal.SIG_DFL:
                _shut_down()
        finally:
            self._raise(signalnum)
