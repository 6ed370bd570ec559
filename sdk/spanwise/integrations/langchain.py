"""LangChain: chains, tools, retrievers and models, by its own callbacks.

A handler is registered that every run inherits, and the entry points of models and retrievers are wrapped, so
that what a run does inside belongs to it (see ``_langchain_scope``). A model call that a provider's client
makes is one span: the client writes to the run's (see ``lending``).
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from spanwise import guard, semconv
from spanwise.integrations._declaration import Integration
from spanwise.integrations._langchain_facts import conversation_of
from spanwise.integrations._langchain_handler import handler_class
from spanwise.integrations._langchain_runs import Runs
from spanwise.integrations._langchain_scope import (
    MODEL,
    RETRIEVER,
    TOOL,
    Entry,
    acall_entry,
    asteps,
    astream_entry,
    call_entry,
    steps,
    stream_entry,
)
from spanwise.integrations._patch import Patch, apply, when_imported
from spanwise.integrations._stainless_fields import fields
from spanwise.runtime import current
from spanwise.suppression import attach

RUNS = Runs()
_MODELS = (
    ("langchain_core.language_models.chat_models", "BaseChatModel"),
    ("langchain_core.language_models.llms", "BaseLLM"),
)
_CONFIGS = (
    "langchain_core.runnables.config",
    "langchain_core.runnables.base",  # versions before 0.3.40 import the function by its name
    "langchain_core.runnables.fallbacks",
    "langchain_core.tools.base",
)


class Patches:
    """What is wrapped of one library, now and as its modules are imported; can be taken off again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patches: list[Patch] = []
        self._is_active = True

    def wrap(self, module: str, path: str, entry: Entry) -> None:
        """Wraps an attribute of a module when that is imported; one that a version lacks is left out."""
        when_imported(module, lambda imported: self._apply(imported, path, self._while_active(entry)))

    def undo(self) -> None:
        """Takes all wrappers off; those that others have wrapped in turn stay and pass calls through."""
        with self._lock:
            self._is_active = False
            for patch in self._patches:
                patch.remove()
            self._patches.clear()

    def _apply(self, module: Any, path: str, entry: Entry) -> None:
        with self._lock:
            if not self._is_active:
                return
            try:
                self._patches.append(apply(module, path, entry))
            except AttributeError:
                return
            except Exception as error:  # noqa: BLE001  an import of the app runs in here
                guard.fault("patching LangChain", error)

    def _while_active(self, entry: Entry) -> Entry:
        def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not self._is_active:
                return wrapped(*args, **kwargs)
            return entry(wrapped, instance, args, kwargs)

        return call


def wrap_config(patches: Patches, modules: tuple[str, ...]) -> None:
    """Wraps the function that marks the copied context a chain's function runs in."""
    for module in modules:
        patches.wrap(module, "_set_config_context", _in_config)


def _in_config(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = wrapped(*args, **kwargs)
    if current() is not None:
        try:
            _enter(args[0] if args else kwargs.get("config"))
        except Exception as error:  # noqa: BLE001  a foreign configuration is read in here
            guard.fault("entering a LangChain step", error)
    return result


def _enter(config: Any) -> None:
    settings = fields(config)
    run = RUNS.find(getattr(settings.get("callbacks"), "parent_run_id", None))
    if run is None:
        return
    if not run.has_conversation and (found := conversation_of(fields(settings.get("configurable")))):
        run.mark(found)
    attach(run.context)  # in a copy of the app's context, made for this step alone


def _events(follow: Callable[..., Any]) -> Entry:
    """Returns the wrapper of what pulls the events of a model's stream: it runs in its run's context."""

    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = wrapped(*args, **kwargs)
        run = RUNS.find(getattr(kwargs.get("run_manager"), "run_id", None))
        return items if run is None else follow(items, None, run.context)

    return call


class _Listening:
    """LangChain is listened to as long as somebody wants it: the integration itself, or LangGraph's."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._wanted = 0
        self._undo: Callable[[], None] | None = None

    def begin(self) -> Callable[[], None]:
        """Starts listening if nobody has; returns what ends it if nobody else wants it."""
        with self._lock:
            if self._undo is None:
                self._undo = _begin()
            self._wanted += 1
        return self._end

    def _end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted and self._undo is not None:
                undo, self._undo = self._undo, None
                undo()


_listening = _Listening()


def listen(module: Any) -> Callable[[], None]:
    """Registers the handler and wraps the entry points; returns what undoes both."""
    return _listening.begin()


def _begin() -> Callable[[], None]:
    patches = Patches()
    for home, kind in _MODELS:
        patches.wrap(home, f"{kind}.generate", call_entry(RUNS, MODEL))
        patches.wrap(home, f"{kind}.agenerate", acall_entry(RUNS, MODEL))
        patches.wrap(home, f"{kind}.stream", stream_entry(RUNS, MODEL))
        patches.wrap(home, f"{kind}.astream", astream_entry(RUNS, MODEL))
        patches.wrap(home, f"{kind}._iter_v2_events", _events(steps))
        patches.wrap(home, f"{kind}._aiter_v2_events", _events(asteps))
    patches.wrap("langchain_core.retrievers", "BaseRetriever.invoke", call_entry(RUNS, RETRIEVER))
    patches.wrap("langchain_core.retrievers", "BaseRetriever.ainvoke", acall_entry(RUNS, RETRIEVER))
    patches.wrap("langchain_core.tools.base", "BaseTool.run", call_entry(RUNS, TOOL))
    patches.wrap("langchain_core.tools.base", "BaseTool.arun", acall_entry(RUNS, TOOL))
    wrap_config(patches, _CONFIGS)
    forget = _register()

    def undo() -> None:
        forget()
        patches.undo()

    return undo


def _register() -> Callable[[], None]:
    """Makes LangChain give our handler to every run, once its tracing module has been imported."""
    hooks: list[Any] = []
    is_active = [True]

    def register(context: Any) -> None:
        if not is_active:
            return
        from langchain_core.callbacks.base import BaseCallbackHandler

        handler = handler_class(BaseCallbackHandler)(RUNS)
        variable: ContextVar[Any] = ContextVar("spanwise-langchain-handler", default=handler)
        context.register_configure_hook(variable, True)
        hooks.append((context._configure_hooks, variable))

    def forget() -> None:
        is_active.clear()
        for registered, variable in hooks:
            registered[:] = [hook for hook in registered if hook[0] is not variable]

    when_imported("langchain_core.tracers.context", register)
    return forget


INTEGRATION = Integration(
    name="langchain",
    module="langchain_core",
    distribution="langchain-core",
    versions=">=0.3.15,<2",
    listen=listen,
    operations=(
        semconv.OP_INVOKE_WORKFLOW,
        semconv.OP_INVOKE_AGENT,
        semconv.OP_TASK,
        semconv.OP_CHAT,
        semconv.OP_TEXT_COMPLETION,
        semconv.OP_RETRIEVAL,
        semconv.OP_EXECUTE_TOOL,
    ),
    captures="steps with inputs and outputs, prompt template and variables, messages, tool calls, usage, "
    "retrieved documents, tags, metadata, thread id as conversation",
)
