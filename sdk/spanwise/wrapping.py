"""Wrapping the app's own functions: one way for plain ones, coroutines, generators and async generators.

What is wrapped stays what it was to ``inspect``, to ``pickle`` and as a method, static or class method.
The parent of a generator's span is the context it was called in, not the one it happens to be read in, and a
context is attached only while the function's own code runs, never while its caller holds a value.
"""

import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Protocol, TypeVar, cast

import wrapt
from opentelemetry.context import Context

from spanwise.finalizer import unregistered
from spanwise.suppression import attach, detach, get_current

F = TypeVar("F", bound=Callable[..., Any])


class Scope(Protocol):
    """What is open while a wrapped function runs."""

    context: Context
    """Attached whenever the function's code runs."""

    def add_item(self, item: Any) -> None:
        """Notes a value that a generator yielded."""

    def finish(self, result: Any) -> None:
        """The function returned."""

    def fail(self, error: BaseException) -> None:
        """The function raised, or its generator was closed."""


Opener = Callable[[Any, tuple[Any, ...], dict[str, Any], Context], "Scope | None"]
"""``opener(instance, args, kwargs, parent)``: called when the function starts; ``None`` runs it unwrapped."""


class TracedMethod(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]
    """A wrapped function bound to its instance. Pickles as a bound method does."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Returns how unpickling finds the method: by its name on the unpickled instance."""
        return getattr, (self.__self__, self.__name__)


class Traced(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A wrapped function. Pickles by its name, as the function itself does."""

    __bound_function_wrapper__ = TracedMethod

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Returns the name that unpickling imports the function by."""
        return self.__wrapped__.__qualname__

    def __copy__(self) -> "Traced":
        return self

    def __deepcopy__(self, memo: Any) -> "Traced":
        return self  # functions are not copied


def wrapped_function(function: F, opener: Opener) -> F:
    """Returns ``function`` with ``opener``'s scope around every run of it.

    Raises:
        TypeError: something that is not a function or method.
    """
    plain = getattr(function, "__func__", function)  # of a staticmethod or classmethod object
    if isinstance(plain, type) or not callable(plain):
        raise TypeError(f"only functions and methods can be decorated, not {function!r}")
    if inspect.iscoroutinefunction(plain):
        wrapper = _coroutine_wrapper(opener)
        wrapper.__qualname__ = getattr(plain, "__qualname__", "call")  # what "was never awaited" shall name
        return cast("F", Traced(function, wrapper))
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        return cast("F", Traced(function, _generator_wrapper(opener)))
    return cast("F", Traced(function, _function_wrapper(opener)))


def _function_wrapper(opener: Opener) -> Callable[..., Any]:
    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        scope = opener(instance, args, kwargs, get_current())
        if scope is None:
            return wrapped(*args, **kwargs)
        token = attach(scope.context)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            scope.fail(error)
            raise
        finally:
            detach(token)
        follow = _FOLLOWERS.get(type(result))
        if follow is not None:  # a plain function that hands out a coroutine or generator
            return follow(result, scope)
        scope.finish(result)
        return result

    return call


def _coroutine_wrapper(opener: Opener) -> Callable[..., Any]:
    async def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        scope = opener(instance, args, kwargs, get_current())
        if scope is None:
            return await wrapped(*args, **kwargs)
        return await _await(wrapped(*args, **kwargs), scope)

    return call


def _generator_wrapper(opener: Opener) -> Callable[..., Any]:
    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        parent = get_current()
        result = wrapped(*args, **kwargs)
        follow = _FOLLOWERS.get(type(result))
        if follow is None:  # it only looked like a generator function
            return result
        return follow(result, _Late(lambda: opener(instance, args, kwargs, parent), parent))

    return call


class _Late:
    """A scope that opens when a generator takes its first step: until then nothing has run."""

    __slots__ = ("_open", "_parent", "_scope")

    def __init__(self, open_scope: Callable[[], Scope | None], parent: Context) -> None:
        self._open: Callable[[], Scope | None] | None = open_scope
        self._parent = parent
        self._scope: Scope | None = None

    @property
    def context(self) -> Context:
        if self._open is not None:
            self._scope, self._open = self._open(), None
        return self._parent if self._scope is None else self._scope.context

    def add_item(self, item: Any) -> None:
        if self._scope is not None:
            self._scope.add_item(item)

    def finish(self, result: Any) -> None:
        if self._scope is not None:
            self._scope.finish(result)

    def fail(self, error: BaseException) -> None:
        if self._scope is not None:
            self._scope.fail(error)


async def _await(awaitable: Any, scope: Scope) -> Any:
    token = attach(scope.context)
    try:
        result = await awaitable
    except BaseException as error:
        scope.fail(error)
        raise
    finally:
        detach(token)
    scope.finish(result)
    return result


def _generate(generator: "Generator[Any, Any, Any]", scope: Scope) -> "Generator[Any, Any, Any]":
    """Yields what a generator yields, passing on what is sent or thrown into it."""
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    try:
        while True:
            token = attach(scope.context)
            try:
                item = step(value)
            except StopIteration as stop:
                scope.finish(stop.value)
                return stop.value
            finally:
                detach(token)
            scope.add_item(item)
            try:
                value = yield item
                step = generator.send
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # noqa: BLE001  thrown in by the caller, and thrown on
                step, value = generator.throw, error
    except BaseException as error:
        scope.fail(error)
        raise


async def _agenerate(generator: "AsyncGenerator[Any, Any]", scope: Scope) -> "AsyncGenerator[Any, Any]":
    """Like ``_generate``, for an asynchronous generator."""
    step: Callable[[Any], Any] = lambda value: unregistered(lambda: generator.asend(value))  # noqa: E731
    value: Any = None
    try:
        while True:
            token = attach(scope.context)
            try:
                item = await step(value)
            except StopAsyncIteration:
                scope.finish(None)
                return
            finally:
                detach(token)
            scope.add_item(item)
            try:
                value = yield item
                step = generator.asend
            except GeneratorExit:
                await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001  thrown in by the caller, and thrown on
                step, value = generator.athrow, error
    except BaseException as error:
        scope.fail(error)
        raise


_FOLLOWERS: dict[type, Callable[[Any, Any], Any]] = {
    types.GeneratorType: _generate,
    types.AsyncGeneratorType: _agenerate,
    types.CoroutineType: _await,
}
