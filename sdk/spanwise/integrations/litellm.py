"""LiteLLM: completions, text completions and embeddings of every provider it knows, its Router included.

One span a call, LiteLLM's: it knows the provider behind its one interface, also of those it calls over plain
HTTP. The client below (openai and others) makes none. A retry or a fallback is a call, and a span, of its
own; an answer from LiteLLM's cache is neither.
"""

import importlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import wrapt

from spanwise import semconv
from spanwise.integrations._declaration import Integration, Recording, Target
from spanwise.integrations._engine import wrapper_for
from spanwise.integrations._litellm_calls import CHAT, EMBEDDINGS
from spanwise.integrations._patch import apply

_WHY = "the function inside of LiteLLM's decorator, which every name that an app may hold of it calls"
_CALLS = (
    Target("litellm.main:completion", CHAT, why=_WHY),
    Target("litellm.main:acompletion", CHAT, is_async=True, why=_WHY),
    Target("litellm.main:embedding", EMBEDDINGS, why=_WHY),
    Target("litellm.main:aembedding", EMBEDDINGS, is_async=True, why=_WHY),
)
_CELL = "original_function"
_STEPS = "_spanwise_steps"


def observe(result: Any, recording: Recording) -> Any:
    """Follows a ``CustomStreamWrapper`` in place; everything else is a complete answer."""
    if not hasattr(type(result), "__anext__"):
        recording.respond(result)
        return result
    ref = weakref.ref(result)
    recording.call.memo = ref
    steps = (recording.iterate(_Steps(ref)), recording.aiterate(_Steps(ref)), recording)
    vars(result)[_STEPS] = steps
    return result


class _Steps:
    """The stream's own steps; holds it weakly, so that dropping it ends the span."""

    def __init__(self, ref: "weakref.ReferenceType[Any]") -> None:
        self._ref = ref

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        stream: Any = self._ref()
        return type(stream).__next__.__wrapped__(stream)

    def __aiter__(self) -> "_Steps":
        return self

    async def __anext__(self) -> Any:
        stream: Any = self._ref()
        return await type(stream).__anext__.__wrapped__(stream)


def _next(wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    steps = vars(stream).get(_STEPS)
    if steps is None or steps[0].gi_frame is None or steps[0].gi_running:
        return wrapped()
    return next(steps[0])


async def _anext(wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    steps = vars(stream).get(_STEPS)
    if steps is None or steps[1].ag_frame is None or steps[1].ag_running:
        return await wrapped()
    return await steps[1].__anext__()


async def _aclose(wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return await wrapped(*args, **kwargs)
    finally:
        steps = vars(stream).get(_STEPS)
        if steps is not None:
            steps[2].close()


def listen(main: Any) -> Callable[[], None]:
    """Wraps what LiteLLM's decorator holds, so that names imported before us are traced; returns the undo.

    Args:
        main: The module ``litellm.main``.
    """
    streaming_handler = importlib.import_module("litellm.litellm_core_utils.streaming_handler")
    is_on = [True]
    cells = []
    for target in _CALLS:
        cell = _cell_of(getattr(main, target.path.partition(":")[2]))
        original = cell.cell_contents
        cell.cell_contents = wrapt.FunctionWrapper(
            original, wrapper_for(INTEGRATION, target, lambda: is_on[0])
        )
        cells.append((cell, cell.cell_contents, original))
    steps = {"__next__": _next, "__anext__": _anext, "aclose": _aclose}
    stream = streaming_handler.CustomStreamWrapper
    patches = [apply(stream, name, step) for name, step in steps.items() if hasattr(stream, name)]

    def undo() -> None:
        is_on[0] = False
        for cell, ours, original in cells:
            if cell.cell_contents is ours:
                cell.cell_contents = original
        for patch in patches:
            patch.remove()

    return undo


def _cell_of(function: Any) -> Any:
    """Returns the closure's cell with the function that LiteLLM's decorator calls.

    Raises:
        LookupError: this version's decorator is another one.
    """
    code, closure = function.__code__, function.__closure__ or ()
    if _CELL not in code.co_freevars:
        raise LookupError(f"litellm's {function.__name__} is not decorated as expected")
    return closure[code.co_freevars.index(_CELL)]


INTEGRATION = Integration(
    name="litellm",
    module="litellm",
    distribution="litellm",
    versions=">=1.100,<2",
    observe=observe,
    listen=listen,
    listens_in="litellm.main",
    operations=(semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_EMBEDDINGS),
    captures="messages, tools, parameters, usage, the provider behind LiteLLM, streams, Router attempts",
)
