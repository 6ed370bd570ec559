"""The OpenAI Agents SDK's traces and spans, followed from their start to their finish.

Every span of the SDK is a run here. A run has a step of ours or a model call, or neither where it is hidden.
Where the SDK makes a span current its context is attached, in the same task or thread, and taken back when it
finishes there.
"""

import sys
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import is_private, with_attributes
from spanwise.errors import record_error
from spanwise.finalizer import close_from_finalizer
from spanwise.integrations import _openai_agents_facts as facts
from spanwise.integrations._langchain_facts import attributes_of
from spanwise.integrations._model_run import ModelRun
from spanwise.integrations._peers import Peers
from spanwise.integrations._stainless_fields import as_text, fields
from spanwise.lending import with_lender
from spanwise.runtime import Runtime, current
from spanwise.steps import Step
from spanwise.suppression import attach, get_current, has_provider, is_suppressed

_RUN = otel.create_key("spanwise-openai-agents-run")
_WORKFLOW = "workflow"
_MAX_LIVE_RUNS = 10_000
_ANSWERED = frozenset({_WORKFLOW, "agent"})
"""Runs whose input and output are those of the model calls in them."""


class Run:
    """One trace or span of the SDK.

    Args:
        source: The SDK's object; kept, so that its ``id()`` stays its own.
        kind: What it is about: ``workflow``, ``agent``, ``function`` and so on.
        parent: The run that it lies in.
        outer: The context that it started in.
    """

    __slots__ = (
        "before",
        "context",
        "error",
        "has_input",
        "is_attached",
        "kind",
        "model",
        "outer",
        "output",
        "parent",
        "source",
        "step",
    )

    def __init__(self, source: Any, kind: str, parent: "Run | None", outer: Context) -> None:
        self.source = source
        self.kind = kind
        self.parent = parent
        self.outer = outer
        self.context = otel.set_value(_RUN, self, outer)
        self.before = sys.exc_info()[1]
        """What was being handled when the run began, and is none of its errors."""
        self.error: BaseException | None = None
        self.step: Step | None = None
        self.model: ModelRun | None = None
        self.is_attached = False
        self.has_input = False
        self.output: Any = None

    def hold(self, step: Step | None, model: ModelRun | None = None) -> None:
        """Makes a span of ours the run's."""
        self.step, self.model = step, model
        if model is not None:
            self.context = otel.set_value(_RUN, self, model.context)
        elif step is not None:  # model calls inside do not borrow from a run outside
            self.context = otel.set_value(_RUN, self, with_lender(step.context, None))

    def end(self, runtime: Runtime | None) -> None:
        """Ends the run's span with what the SDK's holds."""
        data = getattr(self.source, "span_data", None)
        error = self.error or _raised_since(self.before)
        if self.model is not None:
            _tell(self, data)
            _end_model(self.model, data, error)
        if self.step is None:
            return
        try:
            facts.finish_step(self.step, self.kind, data)
            if self.output is not None:
                self.step.set_output(self.output)
            if error is None and runtime is not None:
                _note_error(self.step, self.kind, getattr(self.source, "error", None), runtime)
        except Exception as fault:  # noqa: BLE001  the span ends all the same
            guard.fault("reading a span of the OpenAI Agents SDK", fault)
        if error is None:
            self.step.end()
        else:
            self.step.fail(error)


def _raised_since(before: BaseException | None) -> BaseException | None:
    """Returns the exception that is on its way through the code that finishes a span."""
    error = sys.exc_info()[1]
    return None if error is before else error


def _end_model(model: ModelRun, data: Any, error: BaseException | None) -> None:
    if error is None:
        model.respond(data)
    elif isinstance(error, GeneratorExit):
        is_whole = getattr(data, "response", None) is not None or getattr(data, "output", None) is not None
        close_from_finalizer(lambda: model.respond(data) if is_whole else model.close(data))
    else:
        model.fail(error)


def _tell(run: Run, data: Any) -> None:
    """Tells the agent and the workflow around a model call what was asked and answered."""
    try:
        above = run.parent
        while above is not None and above.kind != "function":
            if above.kind in _ANSWERED and above.step is not None and above.step.wants_content:
                if not above.has_input and (question := facts.asked(data)) is not None:
                    above.has_input = True
                    above.step.set_input(question)
                answer = facts.answered(data)
                above.output = above.output if answer is None else answer
            above = above.parent
    except Exception as fault:  # noqa: BLE001  foreign objects are read in here
        guard.fault("reading a model call of the OpenAI Agents SDK", fault)


def _note_error(step: Step, kind: str, told: Any, runtime: Runtime) -> None:
    """Marks a step as failed whose error the SDK caught and only wrote to its span."""
    if not told:
        return
    message, data = as_text(fields(told).get("message")) or "", fields(fields(told).get("data"))
    detail = as_text(data.get("error")) or ""
    step.span.set_attribute(semconv.ERROR_TYPE, semconv.MCP_TOOL_ERROR if kind == "function" else "_OTHER")
    text = f"{message}: {detail}" if detail else message
    record_error(step.span, None, runtime.capture, text, keeps_text=not is_private(step.context))


class Runs:
    """The live runs."""

    __slots__ = ("_named", "_peers", "_runs")

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._named: dict[str, Run] = {}
        """The same by the SDK's own ids of traces and spans."""
        self._peers = Peers("openai_agents")

    def start(self, source: Any, is_current: bool) -> None:
        """Begins the run of a trace or span that the SDK has just started."""
        runtime = current()
        if runtime is None or id(source) in self._runs:
            return
        parent, outer = self._place(source)
        if is_suppressed(outer) or self._is_traced_elsewhere(runtime, outer):
            return
        data = getattr(source, "span_data", None)
        kind = _WORKFLOW if data is None else facts.kind_of(data)
        run = Run(source, kind, parent, outer)
        if facts.is_model(kind):
            run.hold(None, ModelRun(runtime, facts.model_request(data), outer, facts.read_model))
        elif (step := _workflow(source) if data is None else facts.step_of(kind, data)) is not None:
            within = _told_of(source, outer, runtime) if data is None else outer
            if step.open(within):
                run.hold(step)
        self._add(run)
        if is_current:
            attach(run.context)
            run.is_attached = True

    def fail(self, source: Any, error: BaseException) -> None:
        """Notes the exception that leaves a span's block; ``finish`` follows."""
        run = self._runs.get(id(source))
        if run is not None:
            run.error = error

    def finish(self, source: Any) -> None:
        """Ends the run of a trace or span that finishes; a second time does nothing."""
        run = self._runs.pop(id(source), None)
        if run is None:
            return
        for name in _names(source):
            if self._named.get(name) is run:
                del self._named[name]
        if run.is_attached and _is_within(get_current(), run):
            attach(run.outer)
        run.end(current())

    def abandon(self) -> None:
        """Ends all live runs: nobody will tell when they finish."""
        for run in list(self._runs.values()):
            self.finish(run.source)

    def _is_traced_elsewhere(self, runtime: Runtime, context: Context) -> bool:
        return not runtime.config.isolated and has_provider() and self._peers.are_tracing(context)

    def _place(self, source: Any) -> tuple[Run | None, Context]:
        """Returns the run that one starting now lies in, and the context its span belongs in.

        That is the current context where it lies within the parent that the SDK names: the app may have
        opened a span of its own in between. Nothing lies within a model call.
        """
        ambient = get_current()
        inner = _run_in(ambient)
        name = as_text(getattr(source, "parent_id", None)) or as_text(getattr(source, "trace_id", None))
        named = self._named.get(name or "")
        if named is not None and not _is_within(ambient, named):
            inner, ambient = named, named.context
        while inner is not None and inner.model is not None:
            ambient = inner.outer
            inner = inner.parent
        return inner, ambient

    def _add(self, run: Run) -> None:
        self._runs[id(run.source)] = run
        for name in _names(run.source):
            self._named[name] = run
        if len(self._runs) > _MAX_LIVE_RUNS:
            guard.say_once(
                "openai_agents runs",
                "spanwise: more than %d spans of the OpenAI Agents SDK never finished",
                _MAX_LIVE_RUNS,
            )
            self.finish(next(iter(list(self._runs.values()))).source)


def _names(source: Any) -> list[str]:
    name = getattr(source, "span_id" if hasattr(source, "span_data") else "trace_id", None)
    return [name] if isinstance(name, str) and name != "no-op" else []


def _run_in(context: Context) -> Run | None:
    run = context.get(_RUN)
    return run if isinstance(run, Run) else None


def _is_within(context: Context, run: Run) -> bool:
    above = _run_in(context)
    while above is not None and above is not run:
        above = above.parent
    return above is run


def _workflow(trace: Any) -> Step:
    name = as_text(getattr(trace, "name", None)) or "workflow"
    return Step(name, semconv.OP_INVOKE_WORKFLOW, {semconv.STEP_KIND: _WORKFLOW})


def _told_of(trace: Any, context: Context, runtime: Runtime) -> Context:
    """Returns ``context`` with the conversation and the metadata that a trace was given."""
    metadata = dict(fields(getattr(trace, "metadata", None)))
    group = as_text(getattr(trace, "group_id", None))
    if group:
        metadata.setdefault("conversation_id", group)
    _, below = attributes_of((), metadata, runtime.capture.scrubbed)
    return with_attributes(context, below) if below else context
