"""The open span of a step of the app's own: a workflow, agent, tool, retrieval or any block of code."""

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from spanwise import guard, semconv
from spanwise.ambient import attributes_of, is_private
from spanwise.documents import documents_of, messages_of, outline_of
from spanwise.errors import record_error
from spanwise.finalizer import close_from_finalizer
from spanwise.operation import AttributeValue
from spanwise.prompts import variables_of
from spanwise.runtime import Runtime, current
from spanwise.suppression import attach, detach, get_current, is_instrumentation_suppressed
from spanwise.trackers import attributes as tracked_runs

_NAME_KEYS = {
    semconv.OP_EXECUTE_TOOL: semconv.TOOL_NAME,
    semconv.OP_INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.OP_CREATE_AGENT: semconv.AGENT_NAME,
    semconv.OP_INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
}
"""Operations whose span is called ``{operation} {name}``, and the attribute that holds the name."""

_MODEL_OPERATIONS = semconv.INFERENCE_OPERATIONS
_CLIENT_OPERATIONS = _MODEL_OPERATIONS | {
    semconv.OP_EMBEDDINGS,
    semconv.OP_RETRIEVAL,
    semconv.OP_RERANK,
    semconv.OP_CREATE_AGENT,
}
_INPUT_KEYS = {
    **dict.fromkeys(_MODEL_OPERATIONS, semconv.INPUT_MESSAGES),
    semconv.OP_EXECUTE_TOOL: semconv.TOOL_CALL_ARGUMENTS,
    semconv.OP_RETRIEVAL: semconv.RETRIEVAL_QUERY_TEXT,
    semconv.OP_EMBEDDINGS: semconv.EMBEDDINGS_INPUT,
}
_OUTPUT_KEYS = {
    **dict.fromkeys(_MODEL_OPERATIONS, semconv.OUTPUT_MESSAGES),
    semconv.OP_EXECUTE_TOOL: semconv.TOOL_CALL_RESULT,
    semconv.OP_RETRIEVAL: semconv.RETRIEVAL_DOCUMENTS,
}
_MAX_ITEMS = 10_000


class Step:
    """A span around code of the app; a context manager, also for ``async with``.

    Nothing here raises into the app, and everything is without effect while Spanwise is off.

    Args:
        name: What the step is called; low in variety, since it becomes part of the span's name.
        operation: One of ``semconv``'s operations, or a word of your own.
        attributes: Further span attributes.
    """

    __slots__ = (
        "_is_open",
        "_items",
        "_runtime",
        "_token",
        "attributes",
        "context",
        "name",
        "operation",
        "span",
    )

    def __init__(
        self,
        name: str,
        operation: str = semconv.OP_TASK,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        self.name = name
        self.operation = operation
        self.attributes = attributes or {}
        self.span: Span = trace.INVALID_SPAN
        self.context: Context = Context()
        self._is_open = False
        self._items: list[Any] = []
        self._runtime: Runtime | None = None
        self._token: Any = None

    # --- for the app ------------------------------------------------------------------------------------

    @property
    def trace_id(self) -> str:
        """The trace's id in 32 hexadecimal digits; all zeros while Spanwise is off."""
        return trace.format_trace_id(self.span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The span's id in 16 hexadecimal digits; all zeros while Spanwise is off."""
        return trace.format_span_id(self.span.get_span_context().span_id)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Sets one attribute of the span."""
        self.span.set_attribute(key, value)

    def set_input(self, value: object) -> None:
        """Records what went in: any value; subject to the capture policy."""
        self._put(_INPUT_KEYS.get(self.operation, semconv.STEP_INPUT), value, role="user")

    def set_output(self, value: object) -> None:
        """Records what came out: any value; subject to the capture policy."""
        self._put(_OUTPUT_KEYS.get(self.operation, semconv.STEP_OUTPUT), value, role="assistant")

    def __enter__(self) -> "Step":
        if self.open(get_current()):
            self._token = attach(self.context)
        return self

    def __exit__(self, kind: object, error: BaseException | None, stack: object) -> None:
        if self._token is not None:
            detach(self._token)
            self._token = None
        if error is None:
            self.end()
        else:
            self.fail(error)

    async def __aenter__(self) -> "Step":
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, stack: object) -> None:
        self.__exit__(kind, error, stack)

    def set_documents(self, value: object) -> None:
        """Records what a retrieval found: where no content is recorded, the documents' ids and scores."""
        if self.wants_content:
            self.set_output(value)
        elif self._runtime is not None and self.span.is_recording():
            try:
                if outline := outline_of(documents_of(value) or []):
                    self._runtime.pipeline.put_content(self.span, {semconv.RETRIEVAL_DOCUMENTS: outline})
            except Exception as error:  # noqa: BLE001  foreign objects are read in here
                guard.fault("recording a retrieval", error)

    # --- life -------------------------------------------------------------------------------------------

    def open(self, parent: Context) -> bool:
        """Starts the span; False while Spanwise is off or suppressed."""
        runtime = current()
        if runtime is None or self._is_open or is_instrumentation_suppressed(parent):
            return False
        try:
            self.span = runtime.pipeline.tracer().start_span(
                self._span_name(),
                context=parent,
                kind=SpanKind.CLIENT if self.operation in _CLIENT_OPERATIONS else SpanKind.INTERNAL,
                attributes=self._start_attributes(parent),
            )
        except Exception as error:  # noqa: BLE001  samplers and processors of the app run in here
            guard.fault("starting a step", error)
            return False
        self.context = trace.set_span_in_context(self.span, parent)
        self._runtime = runtime
        self._is_open = True
        if self.operation in _MODEL_OPERATIONS and self.wants_content and (filled := variables_of(parent)):
            runtime.pipeline.put_content(self.span, filled)
        return True

    def add_item(self, item: Any) -> None:
        """Notes a value that a generator yielded, as part of the output."""
        if len(self._items) < _MAX_ITEMS and self.wants_content:
            self._items.append(item)

    def end(self) -> None:
        """Ends the span; a second time does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self.span.end()
        except Exception as error:  # noqa: BLE001
            guard.fault("ending a step", error)

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed. A generator that its reader closed has not failed."""
        if isinstance(error, GeneratorExit):
            close_from_finalizer(self.end)
            return
        if self._is_open and self._runtime is not None:
            try:
                record_error(self.span, error, self._runtime.capture, keeps_text=not is_private(self.context))
            except Exception as fault:  # noqa: BLE001
                guard.fault("recording an error", fault)
        self.end()

    def __del__(self) -> None:
        if self._is_open:  # a coroutine or generator that nobody ran
            close_from_finalizer(self.end)

    @property
    def wants_content(self) -> bool:
        """True when inputs and outputs of this span are recorded."""
        runtime = self._runtime
        if runtime is None or not runtime.capture.wants_content or is_private(self.context):
            return False
        return self.span.is_recording()

    @property
    def items(self) -> object:
        """What a generator yielded: one text if it was all text, else a list."""
        if self._items and all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        return self._items

    # --- details ----------------------------------------------------------------------------------------

    def _span_name(self) -> str:
        if self.operation in _NAME_KEYS or self.operation == semconv.OP_RETRIEVAL:
            return f"{self.operation} {self.name}"
        model = self.attributes.get(semconv.REQUEST_MODEL)
        if model and self.operation in _CLIENT_OPERATIONS:
            return f"{self.operation} {model}"
        return self.name

    def _start_attributes(self, parent: Context) -> dict[str, AttributeValue]:
        attributes = {**tracked_runs(), **attributes_of(parent), semconv.OPERATION_NAME: self.operation}
        name_key = _NAME_KEYS.get(self.operation)
        if name_key is not None:
            attributes[name_key] = self.name
        attributes.update(self.attributes)
        return attributes

    def _put(self, key: str, value: object, *, role: str) -> None:
        if not self.wants_content or self._runtime is None:
            return
        try:
            key, value = self._shaped(key, value, role)
            clean = self._runtime.capture.content(value)
            self._runtime.pipeline.put_content(self.span, {key: clean})
        except Exception as error:  # noqa: BLE001  foreign objects are read in here
            guard.fault("recording a step's content", error)

    def _shaped(self, key: str, value: object, role: str) -> tuple[str, object]:
        """Brings a value into the shape that its attribute has by the conventions."""
        if key == semconv.RETRIEVAL_DOCUMENTS:
            documents = documents_of(value)
            return (key, documents) if documents is not None else (semconv.STEP_OUTPUT, value)
        if self.operation in _MODEL_OPERATIONS:
            return key, messages_of(value, role)
        if key == semconv.RETRIEVAL_QUERY_TEXT and not isinstance(value, str):
            return semconv.STEP_INPUT, value
        return key, value
