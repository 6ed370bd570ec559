"""LangChain's live runs, each with its span and the context that what happens inside it belongs to."""

from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

from spanwise import guard, semconv
from spanwise.ambient import attributes_of, with_attributes
from spanwise.finalizer import close_from_finalizer
from spanwise.integrations._langchain_facts import Attributes, Prompt
from spanwise.integrations._model_run import ModelRun
from spanwise.lending import with_lender
from spanwise.steps import Step
from spanwise.suppression import get_current

_RUN = otel.create_key("spanwise-langchain-run")
_MAX_LIVE_RUNS = 20_000
"""Runs whose end LangChain never told; past this number the oldest is ended."""
_BUBBLES = ("GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand", "GraphDrained")
"""LangGraph steers by exceptions: these stop a step and are no errors."""


class Run:
    """One run: a chain, tool, retriever or model; ``step`` and ``model`` are ``None`` for hidden plumbing.

    Args:
        run_id: LangChain's id.
        parent: The run it was started in, if that is still live.
        context: What happens inside belongs to it.
    """

    __slots__ = ("context", "is_open", "model", "parent", "prompt", "run_id", "step")

    def __init__(self, run_id: Any, parent: "Run | None", context: Context) -> None:
        self.run_id = run_id
        self.parent = parent
        self.context = otel.set_value(_RUN, self, context)
        self.step: Step | None = None
        self.model: ModelRun | None = None
        self.prompt: Prompt | None = None
        """The template that was filled in last in this run; the next model call in it was made from it."""
        self.is_open = True

    def hold_step(self, step: Step) -> None:
        """Makes a span of its own the run's; model calls inside it do not borrow from a run outside."""
        self.step = step
        self.context = otel.set_value(_RUN, self, with_lender(step.context, None))

    def hold_model(self, model: ModelRun) -> None:
        """Makes a model's span the run's."""
        self.model = model
        self.context = otel.set_value(_RUN, self, model.context)

    def mark(self, attributes: Attributes) -> None:
        """Sets attributes on the run's span, and on those that begin inside it from now on."""
        if self.step is not None:
            self.step.span.set_attributes(attributes)
        self.context = with_attributes(self.context, attributes)

    @property
    def has_conversation(self) -> bool:
        """True when the conversation that this run belongs to is known."""
        return semconv.CONVERSATION_ID in attributes_of(self.context)

    # --- ending -----------------------------------------------------------------------------------------

    def end(self, result: Any = None) -> None:
        """Ends the run's span; a model's reads ``result``."""
        self.is_open = False
        if self.model is not None:
            self.model.respond(result)
        elif self.step is not None:
            self.step.end()

    def fail(self, error: BaseException, partial: Any = None) -> None:
        """Ends the run's span as its error demands: an interrupt is none, nor is a reader that stopped."""
        self.is_open = False
        if isinstance(error, GeneratorExit):
            close_from_finalizer(lambda: self._stop(semconv.STREAM_INCOMPLETE, partial))
        elif is_interrupt(error):
            self._stop(semconv.STEP_INTERRUPTED, partial)
        elif self.model is not None:
            self.model.fail(error)
        elif self.step is not None:
            self.step.fail(error)

    def _stop(self, reason: str, partial: Any) -> None:
        try:
            if self.model is not None:
                self.model.close(partial)
            elif self.step is not None:
                self.step.set_attribute(reason, True)
        except Exception as error:  # noqa: BLE001  may run in a finalizer's thread, where nobody catches it
            guard.fault("stopping a LangChain run", error)
        if self.step is not None:
            self.step.end()


def is_interrupt(error: BaseException) -> bool:
    """Tells whether an exception is one by which LangGraph stops or redirects a step."""
    return any(kind.__name__ in _BUBBLES for kind in type(error).__mro__)


class Runs:
    """The live runs by LangChain's id."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[Any, Run] = {}

    def find(self, run_id: Any) -> Run | None:
        """Returns a live run."""
        return self._runs.get(run_id)

    def place(self, parent_run_id: Any) -> tuple[Run | None, Context]:
        """Returns the parent of a run that starts now, and the context its span belongs in.

        That is the current context where it lies within the parent: the app may have opened a span of its
        own in between. Elsewhere (another thread, a callback passed by hand) it is the parent's.
        """
        ambient, parent = get_current(), self._runs.get(parent_run_id)
        if parent is None:
            return None, ambient
        inner = run_in(ambient)
        above = inner
        while above is not None and above is not parent:
            above = above.parent
        if inner is not None and above is parent and inner.is_open:
            return inner, ambient
        return parent, parent.context

    def add(self, run: Run) -> None:
        """Keeps a run until it ends."""
        # Single operations on a dictionary are atomic. A lock would not do: the garbage collector may end a
        # run, by closing its generator, in the middle of this.
        self._runs[run.run_id] = run
        if len(self._runs) > _MAX_LIVE_RUNS:
            oldest = self._runs.pop(next(iter(list(self._runs))), None)
            guard.say_once(
                "langchain runs", "spanwise: more than %d LangChain runs never ended", _MAX_LIVE_RUNS
            )
            if oldest is not None:
                oldest.fail(GeneratorExit())

    def take(self, run_id: Any) -> Run | None:
        """Returns a run that ends now; the second time ``None``."""
        return self._runs.pop(run_id, None)


def run_in(context: Context) -> Run | None:
    """Returns the innermost run that a context lies in."""
    run = context.get(_RUN)
    return run if isinstance(run, Run) else None
