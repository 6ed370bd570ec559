"""Context managers and decorators that change the context for what runs inside them.

What they put there lives in OpenTelemetry's context: tasks inherit it by themselves, ``threads`` carries it
into threads and executors, and it never leaves the process.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from opentelemetry.context import Context

from spanwise.suppression import attach, detach, get_current
from spanwise.wrapping import Opener, wrapped_function

F = TypeVar("F", bound=Callable[..., Any])

_entered: ContextVar[tuple[tuple["Scoped", Any], ...]] = ContextVar("spanwise-entered", default=())
"""The scopes entered by this thread or task: one ``Scoped`` may be in use in many of them at a time."""


class Scoped:
    """A context manager, for ``with`` and ``async with``, and a decorator; may be used many times at once.

    Args:
        change: Returns the context to run in, given the one around it.
    """

    __slots__ = ("_change",)

    def __init__(self, change: Callable[[Context], Context]) -> None:
        self._change = change

    def __enter__(self) -> "Scoped":
        token = attach(self._change(get_current()))
        _entered.set((*_entered.get(), (self, token)))
        return self

    def __exit__(self, *exception: object) -> None:
        entered = _entered.get()
        for place in range(len(entered) - 1, -1, -1):
            if entered[place][0] is self:
                detach(entered[place][1])
                _entered.set(entered[:place] + entered[place + 1 :])
                return

    async def __aenter__(self) -> "Scoped":
        return self.__enter__()

    async def __aexit__(self, *exception: object) -> None:
        self.__exit__()

    def __call__(self, function: F) -> F:
        """Returns the function with every run of it inside this scope."""
        opener: Opener = lambda instance, args, kwargs, parent: _Carrier(self._change(parent))  # noqa: E731
        return wrapped_function(function, opener)


class _Carrier:
    """A wrapped function's scope that only carries a context."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context

    def add_item(self, item: Any) -> None:
        """Takes no note."""

    def finish(self, result: Any) -> None:
        """Has nothing to end."""

    def fail(self, error: BaseException) -> None:
        """Has nothing to end."""
