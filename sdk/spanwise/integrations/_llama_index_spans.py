"""LlamaIndex's dispatcher spans and events, turned into spans.

The dispatcher tells when each decorated method begins and ends, inline, in the task that runs it, so that a
span's context is attached between the two. Of the many methods only those that mean something make a span;
the rest pass their parent's context on. A stream's span stays open until its generator ends.
"""

import functools
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from opentelemetry import context as otel
from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import with_attributes
from spanwise.integrations import _llama_index_facts as facts
from spanwise.integrations._langchain_scope import asteps, steps
from spanwise.integrations._llama_index_kinds import Kind, kind_of
from spanwise.integrations._model_run import ModelRun
from spanwise.integrations._peers import Peers
from spanwise.integrations._stainless_fields import as_count, as_text, fields, items
from spanwise.lending import running_stream, with_lender
from spanwise.operation import Response
from spanwise.prompts import with_prompt
from spanwise.runtime import Runtime, current
from spanwise.steps import Step
from spanwise.suppression import (
    attach,
    detach,
    get_current,
    has_provider,
    is_instrumentation_suppressed,
    is_suppressed,
)

F = TypeVar("F", bound=Callable[..., Any])

_NODE = otel.create_key("spanwise-llama-index-node")
_MAX_LIVE = 20_000
_STREAMS = ("generator", "async_generator")


def _guarded(method: F) -> F:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  the dispatcher hands out foreign objects
            guard.fault(f"LlamaIndex's {method.__name__}", error)

    return cast("F", call)


class Node:
    """One live span of the dispatcher; ``step`` and ``model`` are ``None`` where it makes none of its own."""

    __slots__ = ("arguments", "context", "instance", "is_open", "model", "parent", "step", "token")

    def __init__(
        self, parent: "Node | None", context: Context, arguments: Mapping[str, Any], instance: Any
    ) -> None:
        self.parent = parent
        self.instance = instance
        self.arguments = arguments
        self.step: Step | None = None
        self.model: ModelRun | None = None
        self.token: Any = None
        self.is_open = True
        self.context = otel.set_value(_NODE, self, context)

    def enter(self, context: Context, *, is_attached: bool) -> None:
        """Makes a context the node's own, and the current one unless the method returns before it ends."""
        self.context = otel.set_value(_NODE, self, context)
        if is_attached:
            token = attach(self.context)
            self.token = self.token or token

    def leave(self) -> None:
        """Makes the context current again that was before."""
        self.is_open = False
        if self.token is not None:
            detach(self.token)
            self.token = None


class Spans:
    """The span handler's methods, and the event handler's ``handle``."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._streams: weakref.WeakValueDictionary[str, ModelRun] = weakref.WeakValueDictionary()
        self._last: weakref.WeakKeyDictionary[ModelRun, Any] = weakref.WeakKeyDictionary()
        """The latest answer of each stream, which holds all that came before it."""
        self._peers = Peers("llama_index")

    # --- spans ------------------------------------------------------------------------------------------

    @_guarded
    def enter(self, span_id: str, arguments: Any, instance: Any, parent_id: str | None, tags: Any) -> None:
        """A decorated method begins."""
        runtime = current()
        if runtime is None:
            return
        parent, context = self._place(parent_id)
        if is_instrumentation_suppressed(context):
            return
        if not runtime.config.isolated and self._peers.are_tracing(context) and has_provider():
            return
        node = Node(parent, context, fields(getattr(arguments, "arguments", None)), instance)
        kind = kind_of(span_id, instance, tags, node.arguments)
        if kind is not None:
            below = facts.tags_of(tags)
            inside = with_attributes(context, below) if below else context
            if kind.is_model:
                self._enter_model(node, kind, instance, inside, runtime)
            elif not _is_step_of_parent(node, kind):
                _enter_step(node, kind, instance, inside)
        self._nodes[span_id] = node
        if len(self._nodes) > _MAX_LIVE:
            self._nodes.pop(next(iter(list(self._nodes))), None)

    @_guarded
    def exit(self, span_id: str, result: Any) -> None:
        """A decorated method has returned."""
        node = self._nodes.pop(span_id, None)
        if node is None:
            return
        node.leave()
        if node.model is not None:
            if type(result).__name__ in _STREAMS:
                self._streams[span_id] = node.model
                node.model.hand_out(result)
            else:
                node.model.respond(result)
        elif node.step is not None:
            _follow(result, node.context)
            _finish(node.step, result)

    @_guarded
    def drop(self, span_id: str, error: BaseException | None) -> None:
        """A decorated method has raised."""
        node = self._nodes.pop(span_id, None)
        if node is None:
            return
        node.leave()
        error = error if error is not None else RuntimeError("dropped by LlamaIndex")
        if node.model is not None:
            node.model.fail(error)
        elif node.step is not None:
            node.step.fail(error)

    # --- events -----------------------------------------------------------------------------------------

    @_guarded
    def event(self, event: Any) -> None:
        """LlamaIndex tells of a prompt template, or of a stream's course."""
        name, span_id = type(event).__name__, getattr(event, "span_id", None)
        if not isinstance(span_id, str):
            return
        if name in ("LLMPredictStartEvent", "LLMStructuredPredictStartEvent"):
            self._name_prompt(self._nodes.get(span_id), event)
            return
        model = self._streams.get(span_id)
        if model is None:
            return
        if name.endswith("InProgressEvent"):
            self._last[model] = getattr(event, "response", None)
            if not model.is_streaming:
                model.first_piece()
        elif name in ("LLMChatEndEvent", "LLMCompletionEndEvent"):
            model.respond(getattr(event, "response", None))
        elif name == "ExceptionEvent":
            self._fail_stream(model, getattr(event, "exception", None))

    def _fail_stream(self, model: ModelRun, error: Any) -> None:
        if isinstance(error, BaseException) and not isinstance(error, GeneratorExit):
            model.fail(error)
        else:
            model.close(self._last.get(model))

    def _name_prompt(self, node: Node | None, event: Any) -> None:
        told = facts.template_of(event)
        if node is not None and told is not None:
            node.enter(with_prompt(node.context, *told), is_attached=True)

    # --- details ----------------------------------------------------------------------------------------

    def _place(self, parent_id: str | None) -> tuple[Node | None, Context]:
        """Returns the parent of a span that starts now, and the context that it belongs in."""
        ambient = get_current()
        parent = self._nodes.get(parent_id) if parent_id else None
        held = ambient.get(_NODE)
        inner = held if isinstance(held, Node) and held.is_open else None
        above = inner
        while above is not None and above is not parent:
            above = above.parent
        if parent is None or above is parent:
            return inner or parent, ambient
        return parent, parent.context

    def _enter_model(self, node: Node, kind: Kind, instance: Any, inside: Context, runtime: Runtime) -> None:
        if is_suppressed(inside) or _is_told_outside(node, kind):
            return
        node.model = ModelRun(
            runtime,
            facts.model_request(kind.operation, instance),
            inside,
            _reader_of(kind.operation, node.arguments),
        )
        node.enter(node.model.context, is_attached=True)


def _is_told_outside(node: Node, kind: Kind) -> bool:
    """Tells whether a model's method is called by another one of the same call: ``achat`` calls ``chat``."""
    if kind.operation in semconv.INFERENCE_OPERATIONS and running_stream() is not None:
        return True
    above = node.parent
    while above is not None and above.step is None:
        if above.model is not None:
            return True
        above = above.parent
    return False


def _is_step_of_parent(node: Node, kind: Kind) -> bool:
    """Tells whether a method is called by another one of the same step: ``acall`` by way of ``call``."""
    above = node.parent
    while above is not None and above.step is None:
        above = above.parent
    if above is None or above.step is None or node.instance is None:
        return False
    return above.instance is node.instance and above.step.operation == kind.operation


def _enter_step(node: Node, kind: Kind, instance: Any, inside: Context) -> None:
    attributes: facts.Attributes = {semconv.STEP_KIND: kind.kind} if kind.kind else {}
    attributes.update(_details(node, kind, instance))
    step = Step(kind.name, kind.operation, attributes)
    if not step.open(inside):
        return
    node.step = step
    node.enter(with_lender(step.context, None), is_attached=not kind.is_detached)
    if step.wants_content:
        step.set_input(_input_of(kind, node.arguments))


def _details(node: Node, kind: Kind, instance: Any) -> facts.Attributes:
    if kind.operation == semconv.OP_RETRIEVAL:
        top_k = as_count(getattr(instance, "similarity_top_k", None))
        return {} if top_k is None else {semconv.RETRIEVAL_TOP_K: top_k}
    if kind.operation != semconv.OP_EXECUTE_TOOL:
        return {}
    found: facts.Attributes = {semconv.TOOL_TYPE: "function"}
    description = as_text(getattr(getattr(instance, "metadata", None), "description", None))
    if description:
        found[semconv.TOOL_DESCRIPTION] = description
    call_id = _call_id(node)
    if call_id:
        found[semconv.TOOL_CALL_ID] = call_id
    return found


def _call_id(node: Node) -> str | None:
    """Returns the id of the model's tool call, which the agent's step around the tool was given."""
    above: Node | None = node
    while above is not None:
        event = above.arguments.get("ev")
        if event is not None:
            return as_text(getattr(event, "tool_id", None))
        above = above.parent
    return None


def _input_of(kind: Kind, arguments: Mapping[str, Any]) -> Any:
    given = {key: value for key, value in arguments.items() if key not in ("kwargs", "args", "ctx")}
    given |= fields(arguments.get("kwargs"))
    positional = items(arguments.get("args"))
    if kind.operation == semconv.OP_EXECUTE_TOOL:
        return {**given, **({"args": list(positional)} if positional else {})}
    query = next(
        (given[key] for key in ("str_or_query_bundle", "query", "query_bundle") if key in given), None
    )
    if query is not None:
        return facts.shaped(query)
    if kind.kind == "step" and "ev" in given:
        return facts.shaped(given["ev"])
    return facts.shaped({key: value for key, value in given.items() if value is not None})


def _follow(result: Any, context: Context) -> None:
    """Lets a streamed answer run in its step's context: the model is asked only when the app reads it."""
    stream = fields(result).get("response_gen")
    if type(stream) is types.GeneratorType and stream.gi_code is not steps.__code__:
        result.response_gen = steps(stream, None, context)
    elif type(stream) is types.AsyncGeneratorType and stream.ag_code is not asteps.__code__:
        result.response_gen = asteps(stream, None, context)


def _finish(step: Step, result: Any) -> None:
    if step.operation == semconv.OP_RETRIEVAL:
        step.set_documents(result)
        step.end()
        return
    if step.wants_content and result is not None and type(result).__name__ not in _STREAMS:
        if step.operation == semconv.OP_EXECUTE_TOOL:
            held = fields(result)
            if held.get("is_error") is True:
                step.set_attribute(semconv.ERROR_TYPE, semconv.ERROR_OTHER)
            step.set_output(getattr(result, "content", None) if "tool_name" in held else result)
        elif not type(result).__name__.startswith(("Streaming", "AsyncStreaming")):
            step.set_output(facts.shaped(result))
    step.end()


def _reader_of(operation: str, arguments: Mapping[str, Any]) -> Callable[[Any, bool], Response]:
    if operation == semconv.OP_EMBEDDINGS:
        return functools.partial(_read_vectors, arguments)
    if operation == semconv.OP_RERANK:
        return functools.partial(_read_ranking, arguments)

    def read(answer: Any, wants_content: bool) -> Response:
        response = facts.response_of(answer, wants_content)
        if wants_content:
            response.content[semconv.INPUT_MESSAGES] = facts.request_content(arguments)
        return response

    return read


def _read_vectors(arguments: Mapping[str, Any], answer: Any, wants_content: bool) -> Response:
    response = Response()
    vectors = items(answer)
    first = vectors[0] if vectors else None
    if first is not None:
        response.attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = len(
            first if isinstance(first, list) else vectors
        )
    if wants_content:
        given = {key: value for key, value in arguments.items() if key in ("query", "text", "texts")}
        texts = next(iter(given.values()), None)
        if texts is not None:
            response.content[semconv.EMBEDDINGS_INPUT] = [texts] if isinstance(texts, str) else list(texts)
    return response


def _read_ranking(arguments: Mapping[str, Any], answer: Any, wants_content: bool) -> Response:
    from spanwise.documents import documents_of

    response = Response()
    if wants_content:
        query = arguments.get("query_str") or getattr(arguments.get("query_bundle"), "query_str", None)
        if isinstance(query, str):
            response.content[semconv.RETRIEVAL_QUERY_TEXT] = query
        documents = documents_of(list(items(answer)))
        if documents:
            response.content[semconv.RETRIEVAL_DOCUMENTS] = documents
    return response
