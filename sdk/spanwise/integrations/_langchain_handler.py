"""LangChain's callbacks, turned into spans.

One handler, inherited by every run, called in the thread or task that the run is in (``run_inline``). Its
methods have LangChain's names and swallow their own faults; what LangChain adds later is inherited from its
own base class and does nothing.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import attributes_of, with_attributes
from spanwise.integrations import _langchain_facts as facts
from spanwise.integrations._langchain_messages import document_of, reader_of, shaped
from spanwise.integrations._langchain_runs import Run, Runs
from spanwise.integrations._langchain_scope import GRAPH, MODEL, RETRIEVER, TOOL, Scope, scope
from spanwise.integrations._model_run import ModelRun
from spanwise.integrations._peers import Peers
from spanwise.integrations._stainless_fields import as_count, as_text, fields, items
from spanwise.prompts import with_prompt
from spanwise.runtime import Runtime, current
from spanwise.steps import Step
from spanwise.suppression import has_provider, is_instrumentation_suppressed, is_suppressed

F = TypeVar("F", bound=Callable[..., None])


def _guarded(method: F) -> F:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  callbacks meet foreign objects
            guard.fault(f"LangChain's {method.__name__}", error)

    return cast("F", call)


class Handler:
    """The methods of the handler; ``handler_class`` gives it LangChain's own base class.

    Args:
        runs: The live runs.
    """

    run_inline = True
    raise_error = False

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._peers = Peers("langchain")

    def __copy__(self) -> "Handler":
        return self

    def __deepcopy__(self, memo: Any) -> "Handler":
        return self  # some applications copy whole configurations

    # --- chains -----------------------------------------------------------------------------------------

    @_guarded
    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A chain, prompt, parser, graph or node begins."""
        place = self._place(parent_run_id)
        if place is None:
            return
        parent, context, runtime = place
        metadata, tags = fields(more.get("metadata")), items(more.get("tags"))
        name = facts.name_of(serialized, more.get("name"), "chain")
        run = Run(run_id, parent, context)
        graph = scope(GRAPH)
        graph = graph if graph is not None and graph.is_fresh else None
        if graph is not None:
            graph.own(run)
        if more.get("run_type") == "prompt" and parent is not None:
            parent.prompt = facts.prompt_of(serialized, name, metadata, inputs)
        if not facts.is_hidden(tags):
            kind = _chain_kind(name, more.get("run_type"), metadata, tags, graph)
            step = Step(name, _operation(kind, parent), {semconv.STEP_KIND: kind})
            self._open(run, step, (tags, metadata), context, runtime)
            if inputs != {"input": ""}:  # a stream's input is told at its end
                _put(step, inputs, step.set_input)
        self._runs.add(run)

    @_guarded
    def on_chain_end(self, outputs: Any, *, run_id: Any, **more: Any) -> None:
        """A chain has returned."""
        run = self._runs.take(run_id)
        if run is None:
            return
        if run.step is not None:
            if more.get("inputs") is not None:
                _put(run.step, more["inputs"], run.step.set_input)
            _put(run.step, outputs, run.step.set_output)
        run.end()

    @_guarded
    def on_chain_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
        """A chain has raised, was interrupted, or its reader stopped."""
        run = self._runs.take(run_id)
        if run is None:
            return
        if run.step is not None and more.get("inputs") is not None:
            _put(run.step, more["inputs"], run.step.set_input)
        run.fail(error)

    # --- tools ------------------------------------------------------------------------------------------

    @_guarded
    def on_tool_start(
        self, serialized: Any, input_str: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A tool is called."""
        place = self._place(parent_run_id)
        if place is None:
            return
        parent, context, runtime = place
        tool = facts.name_of(serialized, None, "tool")
        given = {
            semconv.TOOL_TYPE: "function",
            semconv.TOOL_DESCRIPTION: as_text(fields(serialized).get("description")),
            semconv.TOOL_CALL_ID: as_text(more.get("tool_call_id")),
            semconv.STEP_NAME: as_text(more.get("name")),
        }
        step = Step(tool, semconv.OP_EXECUTE_TOOL, {key: value for key, value in given.items() if value})
        run = Run(run_id, parent, context)
        self._open(run, step, (items(more.get("tags")), fields(more.get("metadata"))), context, runtime)
        arguments = more.get("inputs")
        _put(step, input_str if arguments is None else arguments, step.set_input)
        if (own := scope(TOOL)) is not None and own.is_fresh:
            own.own(run)
        self._runs.add(run)

    @_guarded
    def on_tool_end(self, output: Any, *, run_id: Any, **more: Any) -> None:
        """A tool has returned; an error that it was told to hand to the model is one all the same."""
        run = self._runs.take(run_id)
        if run is None:
            return
        if run.step is not None:
            told = fields(output)
            call_id = as_text(told.get("tool_call_id"))
            if call_id:
                run.step.set_attribute(semconv.TOOL_CALL_ID, call_id)
            if told.get("status") == "error":
                run.step.set_attribute(semconv.ERROR_TYPE, semconv.ERROR_OTHER)
            _put(run.step, told["content"] if call_id and "content" in told else output, run.step.set_output)
        run.end()

    @_guarded
    def on_tool_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
        """A tool has raised."""
        self._fail(run_id, error)

    # --- retrievers -------------------------------------------------------------------------------------

    @_guarded
    def on_retriever_start(
        self, serialized: Any, query: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A retriever is asked."""
        place = self._place(parent_run_id)
        if place is None:
            return
        parent, context, runtime = place
        metadata, own = fields(more.get("metadata")), scope(RETRIEVER)
        given = {
            semconv.RETRIEVAL_TOP_K: _top_k(own),
            semconv.DATA_SOURCE_ID: as_text(metadata.get("ls_vector_store_provider")),
        }
        step = Step(
            facts.name_of(serialized, more.get("name"), "retriever"),
            semconv.OP_RETRIEVAL,
            {key: value for key, value in given.items() if value is not None},
        )
        run = Run(run_id, parent, context)
        self._open(run, step, (items(more.get("tags")), metadata), context, runtime)
        _put(step, query, step.set_input)
        if own is not None and own.is_fresh:
            own.enter(run)
        self._runs.add(run)

    @_guarded
    def on_retriever_end(self, documents: Any, *, run_id: Any, **more: Any) -> None:
        """A retriever has answered."""
        run = self._runs.take(run_id)
        if run is None:
            return
        if run.step is not None:
            run.step.set_documents([document_of(each) for each in items(documents)])
        run.end()

    @_guarded
    def on_retriever_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
        """A retriever has raised."""
        self._fail(run_id, error)

    # --- models -----------------------------------------------------------------------------------------

    @_guarded
    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A chat model is called."""
        batch = items(messages)
        told = batch[0] if batch else ()
        self._model(semconv.OP_CHAT, serialized, told, run_id, parent_run_id, more)

    @_guarded
    def on_llm_start(
        self, serialized: Any, prompts: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        """A text model is called."""
        told = items(prompts)
        self._model(semconv.OP_TEXT_COMPLETION, serialized, told[:1], run_id, parent_run_id, more)

    @_guarded
    def on_llm_new_token(self, token: Any, *, run_id: Any, **more: Any) -> None:
        """A model's stream brings a piece; the first one is timed."""
        self._first_piece(run_id)

    @_guarded
    def on_stream_event(self, event: Any, *, run_id: Any, **more: Any) -> None:
        """A model's stream brings an event; the first one is timed."""
        self._first_piece(run_id)

    @_guarded
    def on_llm_end(self, response: Any, *, run_id: Any, **more: Any) -> None:
        """A model has answered."""
        run = self._runs.take(run_id)
        if run is not None:
            run.end(response)

    @_guarded
    def on_llm_error(self, error: BaseException, *, run_id: Any, **more: Any) -> None:
        """A model has failed, or its reader stopped."""
        run = self._runs.take(run_id)
        if run is not None:
            run.fail(error, more.get("response"))

    # --- details ----------------------------------------------------------------------------------------

    def _place(self, parent_run_id: Any) -> tuple[Run | None, Context, Runtime] | None:
        """Returns where a run that starts now belongs; ``None`` when it is not recorded."""
        runtime = current()
        if runtime is None:
            return None
        parent, context = self._runs.place(parent_run_id)
        if is_instrumentation_suppressed(context):
            return None
        if not runtime.config.isolated and self._peers.are_tracing(context) and has_provider():
            return None
        return parent, context, runtime

    def _open(
        self, run: Run, step: Step, told: tuple[Any, Mapping[str, Any]], context: Context, runtime: Runtime
    ) -> None:
        own, below = facts.attributes_of(*told, runtime.capture.scrubbed)
        inside = _with(context, below)
        step.attributes = {**step.attributes, **_all_tags(own, context)}
        if step.open(inside):
            run.hold_step(step)

    def _model(
        self,
        operation: str,
        serialized: Any,
        told: Any,
        run_id: Any,
        parent_run_id: Any,
        more: dict[str, Any],
    ) -> None:
        place, entry = self._place(parent_run_id), scope(MODEL)
        if place is None or is_suppressed(place[1]):
            return
        parent, context, runtime = place
        if entry is not None:
            parent, context = entry.place = entry.place or (parent, context)
        metadata, params = fields(more.get("metadata")), fields(more.get("invocation_params"))
        own, below = facts.attributes_of(more.get("tags"), metadata, runtime.capture.scrubbed)
        inside = _with(context, below)
        if (prompt := _prompt_for(parent)) is not None:
            inside = with_prompt(inside, prompt.name, prompt.version, prompt.variables)
        request = facts.model_request(operation, serialized, more.get("name"), params, metadata)
        request.attributes.update(_all_tags(own, context))
        run = Run(run_id, parent, inside)
        run.hold_model(ModelRun(runtime, request, inside, reader_of(told, params)))
        if entry is not None:
            entry.enter(run)
        self._runs.add(run)

    def _first_piece(self, run_id: Any) -> None:
        run = self._runs.find(run_id)
        if run is None or run.model is None or run.model.is_streaming:
            return
        run.model.first_piece()

    def _fail(self, run_id: Any, error: BaseException) -> None:
        run = self._runs.take(run_id)
        if run is not None:
            run.fail(error)


def handler_class(base: type) -> type[Handler]:
    """Returns the handler's class with LangChain's ``BaseCallbackHandler`` below it."""
    return type("SpanwiseHandler", (Handler, base), {})


def _chain_kind(name: str, run_type: Any, metadata: Mapping[str, Any], tags: Any, graph: Scope | None) -> str:
    if graph is not None:
        return "agent" if _is_agent(name, graph.instance, metadata) else "graph"
    if run_type in ("prompt", "parser"):
        return str(run_type)
    if facts.is_node(name, metadata, tags):
        return "node"
    return "agent" if name == "AgentExecutor" else "chain"


def _is_agent(name: str, graph: Any, metadata: Mapping[str, Any]) -> bool:
    """Tells whether a graph is an agent: one made as such, or a model and its tools in a circle."""
    if metadata.get("ls_integration") == "langchain_create_agent" or metadata.get("lc_agent_name") == name:
        return True
    nodes = set(fields(getattr(graph, "nodes", None)))
    return "tools" in nodes and bool(nodes & {"agent", "model", "call_model"})


def _operation(kind: str, parent: Run | None) -> str:
    if kind == "agent":
        return semconv.OP_INVOKE_AGENT
    is_workflow = kind == "graph" or (kind == "chain" and parent is None)
    return semconv.OP_INVOKE_WORKFLOW if is_workflow else semconv.OP_TASK


def _with(context: Context, below: facts.Attributes) -> Context:
    held = attributes_of(context)
    return (
        context
        if all(held.get(key) == value for key, value in below.items())
        else with_attributes(context, below)
    )


def _all_tags(own: facts.Attributes, context: Context) -> facts.Attributes:
    """Returns a run's tags with those that the app has put on everything here."""
    if not own:
        return own
    around = cast("list[str]", attributes_of(context).get(semconv.TAGS, []))
    return {semconv.TAGS: list(dict.fromkeys([*around, *cast("list[str]", own[semconv.TAGS])]))}


def _prompt_for(parent: Run | None) -> facts.Prompt | None:
    """Returns the template whose text a model called in ``parent`` gets; it is used up by that."""
    if parent is None:
        return None
    prompt, parent.prompt = parent.prompt, None
    return prompt


def _put(step: Step, value: Any, put: Callable[[object], None]) -> None:
    if step.wants_content and value is not None:
        put(shaped(value))


def _top_k(own: Scope | None) -> int | None:
    if own is None:
        return None
    instance = own.instance
    told = as_count(fields(getattr(instance, "search_kwargs", None)).get("k"))
    return told if told is not None else as_count(getattr(instance, "k", None))
