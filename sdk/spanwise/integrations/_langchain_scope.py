"""Where LangChain's runs attach their context, and where that ends.

Chains and tools run their function in a copy of the current context that LangChain makes and marks with
``_set_config_context``; the run's context is attached in that copy and dies with it. Models and retrievers
are run in the caller's own context: their entry points are wrapped, what a run attaches inside is undone when
the call returns or its generator yields, and runs that LangChain left open (it tells nobody of a cancelled
retrieval, for instance) are ended.
"""

import types
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context

from spanwise import guard
from spanwise.finalizer import unregistered
from spanwise.integrations._langchain_runs import Run, Runs
from spanwise.lending import Lender, with_lender
from spanwise.operation import Request
from spanwise.recording import CallRecording
from spanwise.runtime import current
from spanwise.suppression import attach, get_current

Entry = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

MODEL = "model"
RETRIEVER = "retriever"
TOOL = "tool"
GRAPH = "graph"


class Scope:
    """One call of an entry point: a model's ``generate``, a retriever's ``invoke``, a graph's ``stream``.

    Args:
        kind: One of ``MODEL``, ``RETRIEVER``, ``TOOL`` and ``GRAPH``.
        instance: The object whose method was called.
        runs: The live runs.
    """

    __slots__ = ("_models", "_own", "_runs", "instance", "is_fresh", "kind", "place")

    def __init__(self, kind: str, instance: Any, runs: Runs) -> None:
        self.kind = kind
        self.instance = instance
        self.is_fresh = True
        """True until the call's own run has started."""
        self.place: tuple[Run | None, Context] | None = None
        """Where that run belongs, and with it those of further inputs of the same call."""
        self._runs = runs
        self._own: list[Run] = []
        self._models: list[Lender] = []

    def enter(self, run: Run) -> None:
        """Attaches the context of a run that started in this call."""
        self.is_fresh = False
        self._own.append(run)
        if run.model is None:
            attach(run.context)
            return
        self._models.append(run.model)
        if len(self._models) == 1:
            attach(run.context)
        else:  # one call for several inputs: the runs all start before the first of them is sent
            attach(with_lender(get_current(), _InOrder(self._models)))

    def own(self, run: Run) -> None:
        """Notes a run of this call without attaching anything."""
        self.is_fresh = False
        self._own.append(run)

    def abandon(self, error: BaseException) -> None:
        """Ends what LangChain has left open."""
        for run in self._own:
            if run.is_open and self._runs.take(run.run_id) is not None:
                try:
                    run.fail(error)
                except Exception as fault:  # noqa: BLE001  the app's error must go on
                    guard.fault("ending an abandoned run", fault)


class _InOrder:
    """Lends the spans of several runs to client calls in the order that both begin in."""

    __slots__ = ("_lenders",)

    def __init__(self, lenders: list[Lender]) -> None:
        self._lenders = lenders

    def lend(self, recording: CallRecording, request: Request) -> Any:
        for lender in self._lenders:
            span = lender.lend(recording, request)
            if span is not None:
                return span
        return None

    def stand_down(self) -> None:
        for lender in self._lenders:
            lender.stand_down()


_scope: ContextVar[Scope | None] = ContextVar("spanwise-langchain-scope", default=None)


def scope(kind: str) -> Scope | None:
    """Returns the innermost call of an entry point that is running here, if it is of this kind."""
    found = _scope.get()
    return found if found is not None and found.kind == kind else None


def call_entry(runs: Runs, kind: str) -> Entry:
    """Returns the wrapper of a plain entry point."""

    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if current() is None:
            return wrapped(*args, **kwargs)
        outer, before, inner = get_current(), _scope.get(), Scope(kind, instance, runs)
        _scope.set(inner)
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            inner.abandon(error)
            raise
        finally:
            _restore(outer, before)

    return call


def acall_entry(runs: Runs, kind: str) -> Entry:
    """Returns the wrapper of a coroutine entry point."""

    async def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if current() is None:
            return await wrapped(*args, **kwargs)
        outer, before, inner = get_current(), _scope.get(), Scope(kind, instance, runs)
        _scope.set(inner)
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            inner.abandon(error)
            raise
        finally:
            _restore(outer, before)

    return call


def stream_entry(runs: Runs, kind: str) -> Entry:
    """Returns the wrapper of an entry point that is a generator."""

    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = wrapped(*args, **kwargs)
        if current() is None or type(items) is not types.GeneratorType:
            return items
        return steps(items, Scope(kind, instance, runs))

    return call


def astream_entry(runs: Runs, kind: str) -> Entry:
    """Returns the wrapper of an entry point that is an asynchronous generator."""

    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = wrapped(*args, **kwargs)
        if current() is None or type(items) is not types.AsyncGeneratorType:
            return items
        return asteps(items, Scope(kind, instance, runs))

    return call


def steps(
    items: "Generator[Any, Any, Any]", own: Scope | None, inside: Context | None = None
) -> "Generator[Any, Any, Any]":
    """Yields what a generator yields; what it attaches is in force only while it runs.

    Args:
        items: The generator.
        own: The scope that its runs start in.
        inside: The context it begins in, where that is not the reader's.
    """
    try:
        while True:
            outer, before = get_current(), _scope.get()
            _enter(inside, own)
            try:
                item = next(items)
            except StopIteration as stop:
                return stop.value
            finally:
                inside = get_current()
                _restore(outer, before)
            yield item
    except BaseException as error:
        items.close()
        if own is not None:
            own.abandon(error)
        raise


async def asteps(
    items: "AsyncGenerator[Any, Any]", own: Scope | None, inside: Context | None = None
) -> "AsyncGenerator[Any, Any]":
    """Like ``steps``, for an asynchronous generator."""
    is_first = True
    try:
        while True:
            outer, before = get_current(), _scope.get()
            _enter(inside, own)
            try:
                item = await (unregistered(items.__anext__) if is_first else items.__anext__())
            except StopAsyncIteration:
                return
            finally:
                is_first, inside = False, get_current()
                _restore(outer, before)
            yield item
    except BaseException as error:
        await _aclose(items)
        if own is not None:
            own.abandon(error)
        raise


async def _aclose(items: "AsyncGenerator[Any, Any]") -> None:
    try:
        await items.aclose()
    except RuntimeError as error:  # a loop that ends closes all generators at once
        if "already running" not in str(error):
            raise


def _enter(inside: Context | None, own: Scope | None) -> None:
    if inside is not None:
        attach(inside)
    if own is not None:
        _scope.set(own)


def _restore(outer: Context, before: Scope | None) -> None:
    if get_current() is not outer:
        attach(outer)
    if _scope.get() is not before:
        _scope.set(before)
