"""Carrying the current span and ``context()`` into threads and thread pools, by wrapping their start.

A thread gets the context of the code that started it, a pool's task that of the code that submitted it. A
pool's own worker threads get none: they outlive the call that happened to start them.
"""

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pool
from typing import Any

from opentelemetry.context import Context

from spanwise import guard
from spanwise.integrations._patch import Patch, apply
from spanwise.runtime import current
from spanwise.suppression import attach, detach, get_current

_OWN_THREADS = ("spanwise", "Otel")
"""Names of threads that export: whose span they were started under means nothing."""

_OTHER_INTERPRETERS: Any = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
"""Python 3.14's thread pool whose tasks are pickled: a context cannot be."""

_patches: list[Patch] = []


def install() -> None:
    """Wraps ``threading.Thread.start`` and ``ThreadPoolExecutor.submit``; a second time changes nothing."""
    if not _patches:
        _patches.append(apply(threading, "Thread.start", _start))
        _patches.append(apply(pool, "ThreadPoolExecutor.submit", _submit))


def uninstall() -> None:
    """Takes the wrappers off; those that others have wrapped since stay, and pass everything through."""
    _patches[:] = [patch for patch in _patches if not patch.remove()]


def _start(wrapped: Callable[[], None], thread: threading.Thread, args: Any, kwargs: Any) -> None:
    context = get_current()
    if context and current() is not None and not _is_long_lived(thread):
        try:  # on the instance, so that it also covers subclasses with a run() of their own
            thread.run = _Carrier(context, thread.run, thread)  # type: ignore[method-assign]
        except Exception as error:  # noqa: BLE001  a subclass may refuse; its thread then starts without
            guard.fault("carrying the context into a thread", error)
    wrapped(*args, **kwargs)


def _is_long_lived(thread: threading.Thread) -> bool:
    """Tells whether a thread serves more than the code that starts it."""
    return getattr(thread, "_target", None) is pool._worker or thread.name.startswith(_OWN_THREADS)


def _submit(
    wrapped: Callable[..., "Future[Any]"], executor: ThreadPoolExecutor, args: tuple[Any, ...], kwargs: Any
) -> "Future[Any]":
    context = get_current()
    if not context or not args or current() is None or isinstance(executor, _OTHER_INTERPRETERS):
        return wrapped(*args, **kwargs)
    return wrapped(_Carrier(context, args[0]), *args[1:], **kwargs)


class _Carrier:
    """Calls a function in a given context; otherwise behaves as the function does."""

    __slots__ = ("_context", "_function", "_thread")

    def __init__(
        self, context: Context, function: Callable[..., Any], thread: threading.Thread | None = None
    ) -> None:
        self._context = context
        self._function = function
        self._thread = thread

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            detach(token)
            if self._thread is not None:  # break the cycle thread - carrier - thread
                with contextlib.suppress(AttributeError):
                    del self._thread.run
                self._thread = None
