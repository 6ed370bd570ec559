"""The manual API: decorators and context managers that make the app's own steps part of the trace.

    @spanwise.workflow
    def answer(question: str) -> str:
        with spanwise.context(user_id="u-1", conversation_id="c-9"):
            return ask_model(question, search(question))

All of it works on sync and async functions, generators, asynchronous generators and methods, with and without
arguments, and costs next to nothing while Spanwise is off.
"""

import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import with_attributes
from spanwise.operation import AttributeValue
from spanwise.runtime import current
from spanwise.scoped import Scoped
from spanwise.snapshot import snapshot
from spanwise.steps import Step
from spanwise.wrapping import Scope, wrapped_function

logger = logging.getLogger("spanwise")

F = TypeVar("F", bound=Callable[..., Any])

_QUERY_NAMES = ("query", "question", "q", "text", "search_query", "prompt")
_TOP_K_NAMES = ("top_k", "k", "limit", "n_results")
_EMBEDDING_NAMES = ("texts", "text", "input", "inputs", "documents", "query", "sentences")


def span(
    name: str,
    *,
    operation: str = semconv.OP_TASK,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Step:
    """Returns a context manager, for ``with`` and ``async with``, that makes its block a span.

        with spanwise.span("rank answers") as step:
            step.set_input(candidates)
            step.set_output(best)

    Args:
        name: What the block is called; low in variety, it is the span's name.
        operation: What kind of step it is: ``"chat"``, ``"execute_tool"``, ``"retrieval"``, … or a word of
            your own.
        attributes: Further span attributes, such as ``{"gen_ai.request.model": "my-model"}``.
    """
    return Step(name, operation, attributes)


class StepDecorator:
    """A decorator that makes every run of a function a span of one kind: ``workflow``, ``tool`` and so on.

    Used bare (``@tool``), with a name (``@tool("search")``) or with options (``@tool(description=…)``).

    Args:
        operation: The kind of step.
        doc: What this decorator is for.
    """

    def __init__(self, operation: str, doc: str) -> None:
        self._operation = operation
        self.__doc__ = doc

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(
        self,
        name: str | None = None,
        /,
        *,
        description: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        data_source: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        capture_input: bool = True,
        capture_output: bool = True,
    ) -> Callable[[F], F]: ...

    def __call__(self, function: Any = None, /, **options: Any) -> Any:
        """Decorates a function, or returns a decorator with options.

        Args:
            function: The function, or the step's name; default name is the function's.
            options: ``description`` (of a tool or agent), ``model`` and ``provider`` (of an embedding),
                ``data_source`` (of a retriever), ``attributes`` (further span attributes),
                ``capture_input``, ``capture_output`` (False leaves arguments or results out).

        Raises:
            TypeError: an option that does not exist, or something that is not a function.
        """
        if function is None or isinstance(function, str):
            name = options.pop("name", function)
            settings = _Options(self._operation, name, **options)
            return lambda decorated: wrapped_function(decorated, _StepOpener(settings, decorated))
        return wrapped_function(function, _StepOpener(_Options(self._operation, None, **options), function))


workflow = StepDecorator(
    semconv.OP_INVOKE_WORKFLOW, "Makes a function a workflow: usually the outermost step, one run a request."
)
agent = StepDecorator(semconv.OP_INVOKE_AGENT, "Makes a function an agent: it decides which tools to call.")
step = StepDecorator(semconv.OP_TASK, "Makes a function a step: any part of a workflow worth seeing.")
tool = StepDecorator(
    semconv.OP_EXECUTE_TOOL,
    "Makes a function a tool: its arguments and result are recorded as a tool call's.",
)
retriever = StepDecorator(
    semconv.OP_RETRIEVAL,
    "Makes a function a retriever: its query and the documents it returns are recorded as such.",
)
embedding = StepDecorator(
    semconv.OP_EMBEDDINGS,
    "Makes a function an embedding call: its texts and the vectors' length are recorded, not the vectors.",
)


class _Options:
    """The options of one decoration."""

    __slots__ = ("attributes", "capture_input", "capture_output", "name", "operation")

    def __init__(
        self,
        operation: str,
        name: str | None,
        *,
        description: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        data_source: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        capture_input: bool = True,
        capture_output: bool = True,
    ) -> None:
        is_tool = operation == semconv.OP_EXECUTE_TOOL
        given = {
            semconv.TOOL_TYPE: "function" if is_tool else None,
            semconv.TOOL_DESCRIPTION if is_tool else semconv.AGENT_DESCRIPTION: description,
            semconv.REQUEST_MODEL: model,
            semconv.PROVIDER_NAME: provider,
            semconv.DATA_SOURCE_ID: data_source,
        }
        self.operation = operation
        self.name = name
        self.attributes = {key: value for key, value in given.items() if value} | dict(attributes or {})
        self.capture_input = capture_input
        self.capture_output = capture_output


class _StepOpener:
    """Opens the span of one run of a decorated function."""

    __slots__ = ("_attributes", "_names", "_options", "_step_name")

    def __init__(self, options: _Options, function: Any) -> None:
        plain = getattr(function, "__func__", function)
        self._options = options
        self._step_name = options.name or str(getattr(plain, "__name__", type(plain).__name__))
        self._names = _parameter_names(plain)
        self._attributes = dict(options.attributes)
        if options.operation == semconv.OP_EXECUTE_TOOL and plain.__doc__:
            self._attributes.setdefault(
                semconv.TOOL_DESCRIPTION, inspect.cleandoc(plain.__doc__).partition("\n")[0]
            )

    def __call__(
        self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parent: Context
    ) -> Scope | None:
        if current() is None:
            return None
        run = _Run(self._step_name, self._options, self._attributes)
        if not run.open(parent):
            return None
        try:
            run.read_arguments(self._by_name(instance, args, kwargs))
        except Exception as error:  # noqa: BLE001  foreign objects are read in here
            guard.fault("reading a step's arguments", error)
        return run

    def _by_name(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments by name, without the one that a method is bound to."""
        names = self._names
        if instance is not None:
            names = names[1:]
        elif names[:1] in (("self",), ("cls",)):  # Python 3.13 binds class methods past the wrapper
            names, args = names[1:], args[1:]
        arguments = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            arguments["args"] = list(args[len(names) :])
        return {**arguments, **kwargs}


class _Run(Step):
    """One run of a decorated function."""

    __slots__ = ("_options",)

    def __init__(self, name: str, options: _Options, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(name, options.operation, attributes)
        self._options = options

    def read_arguments(self, arguments: dict[str, Any]) -> None:
        """Records the arguments in the shape that the operation asks for."""
        if self.operation == semconv.OP_RETRIEVAL:
            top_k = _named(arguments, _TOP_K_NAMES, int)
            if isinstance(top_k, int) and not isinstance(top_k, bool):
                self.set_attribute(semconv.RETRIEVAL_TOP_K, top_k)
        if not self._options.capture_input or not self.wants_content or not arguments:
            return
        if self.operation == semconv.OP_RETRIEVAL:
            self.set_input(_named(arguments, _QUERY_NAMES, str) or arguments)
        elif self.operation == semconv.OP_EMBEDDINGS:
            texts = _named(arguments, _EMBEDDING_NAMES, (str, list, tuple))
            self.set_input([texts] if isinstance(texts, str) else texts or arguments)
        else:
            self.set_input(arguments)

    def finish(self, result: Any) -> None:
        """Records what the function returned and ends the span."""
        if self.operation == semconv.OP_EMBEDDINGS:
            self._count_dimensions(result)
        elif result is not None and self._options.capture_output:
            self._items.clear()
            self.set_output(result)
        self.end()

    def end(self) -> None:
        """Records what a generator yielded and ends the span."""
        if self._is_open and self._items and self._options.capture_output:
            self.set_output(self.items)
        super().end()

    def _count_dimensions(self, vectors: Any) -> None:
        try:
            first = vectors[0]
            count = len(first) if hasattr(first, "__len__") else len(vectors)
            self.set_attribute(semconv.EMBEDDINGS_DIMENSION_COUNT, count)
        except Exception as error:  # noqa: BLE001  a foreign object that is not a list of vectors
            logger.debug("spanwise: no dimensions in %s: %r", type(vectors).__name__, error)


def _parameter_names(function: Any) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # a function written in C may not tell
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _named(arguments: dict[str, Any], names: tuple[str, ...], kind: Any) -> Any:
    """Returns the argument of the first of these names, else the first argument of that type."""
    for name in names:
        if isinstance(arguments.get(name), kind):
            return arguments[name]
    if kind is int:
        return None
    return next((value for value in arguments.values() if isinstance(value, kind)), None)


def context(
    *,
    conversation_id: str | None = None,
    user_id: str | None = None,
    prompt: str | None = None,
    prompt_version: str | None = None,
    tags: Sequence[str] | str | None = None,
    **metadata: Any,
) -> Scoped:
    """Returns a context manager and decorator that marks every span below it, the libraries' spans too.

        with spanwise.context(user_id="u-1", conversation_id="c-9", tags=["beta"], tenant="acme"):
            answer(question)

    Carried to tasks, threads and executors, and never out of the process.

    Args:
        conversation_id: The conversation, session or thread that the call belongs to.
        user_id: The end user.
        prompt: Name of the prompt template in use.
        prompt_version: Its version.
        tags: Labels; those of nested contexts add up.
        metadata: Anything else, as ``spanwise.metadata.<name>``; what is not text, a number or a truth
            value becomes JSON.
    """
    given: dict[str, Any] = {
        semconv.CONVERSATION_ID: conversation_id,
        semconv.SESSION_ID: conversation_id,
        semconv.USER_ID: user_id,
        semconv.PROMPT_NAME: prompt,
        semconv.PROMPT_VERSION: prompt_version,
    }
    attributes: dict[str, AttributeValue] = {}
    try:
        attributes.update({key: str(value) for key, value in given.items() if value is not None})
        if tags:
            attributes[semconv.TAGS] = [tags] if isinstance(tags, str) else [str(tag) for tag in tags]
        for name, value in metadata.items():
            if value is not None:
                attributes[semconv.METADATA_PREFIX + name] = _attribute(value)
    except Exception as error:  # noqa: BLE001  values of the app are read in here
        guard.fault("reading the values of context()", error)
    return Scoped(lambda parent: with_attributes(parent, attributes))


def _attribute(value: object) -> AttributeValue:
    if isinstance(value, str | bool | int | float):
        return value
    plain = snapshot(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
