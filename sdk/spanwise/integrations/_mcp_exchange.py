"""The span of one MCP request, on the side that sends it or on the side that answers it.

Source: OpenTelemetry semantic conventions for MCP (1.39 and later), https://github.com/open-telemetry/
semantic-conventions-genai; SEP-414 of the protocol for context in ``params._meta``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind

from spanwise import guard, runtime, semconv
from spanwise.ambient import attributes_of, is_private
from spanwise.errors import record_error
from spanwise.finalizer import close_from_finalizer
from spanwise.integrations._peers import Peers
from spanwise.integrations._stainless_fields import as_text, fields, items, joined, plain
from spanwise.operation import AttributeValue
from spanwise.suppression import get_current, is_instrumentation_suppressed
from spanwise.trackers import attributes as tracked_runs

_CALL_TOOL, _GET_PROMPT = "tools/call", "prompts/get"
_NOT_INPUT = frozenset({"_meta", "meta", "name", "uri"})
_READS = frozenset(
    {
        _CALL_TOOL,
        _GET_PROMPT,
        "resources/read",
        "completion/complete",
        "sampling/createMessage",
        "elicitation/create",
    }
)
"""Methods whose parameters and answers hold what somebody wrote."""
_TOOL_REQUEST = (SpanKind.CLIENT, _CALL_TOOL)
_KEY = otel.create_key("spanwise-mcp")
_PEERS = Peers("mcp")
_PROPAGATES_ONLY = "openinference."
"""OpenInference's instrumentor for MCP makes no spans."""


@dataclass(slots=True)
class Message:
    """A request as it travels."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    """As JSON; the field with the metadata is not needed."""
    request_id: object = None
    facts: Callable[[], Mapping[str, AttributeValue]] = dict
    """What is known of the connection; asked at the beginning and at the end, when more may be known."""
    meta: Mapping[str, Any] | None = None
    """Of a request that was received: its ``_meta``."""


class Exchange:
    """The open span of one request; ends exactly once.

    Args:
        active: The set-up in force.
        kind: ``CLIENT`` for who asks, ``SERVER`` for who answers.
        message: The request.
        around: The context that the request is sent or received in.
    """

    __slots__ = (
        "__weakref__",
        "_active",
        "_is_lent",
        "_is_open",
        "_is_own",
        "_message",
        "_wants_content",
        "context",
        "kind",
        "responder",
        "span",
    )

    def __init__(self, active: runtime.Runtime, kind: SpanKind, message: Message, around: Context) -> None:
        self._is_open = self._is_lent = False
        self._active, self._message, self.kind = active, message, kind
        self.responder: Any = None
        """Of the 1.x library: the object that the answer is given to."""
        parent = around if kind is SpanKind.CLIENT else _continued(message.meta, around)
        target = as_text(message.params.get("name"))
        outer = _tool_span_around(parent, target) if (kind, message.method) == _TOOL_REQUEST else None
        self._is_own = outer is None
        if outer is not None:
            self.span: trace.Span = outer
            outer.set_attributes(_attributes(message))
        else:
            self.span = active.pipeline.tracer().start_span(
                f"{message.method} {target}" if target else message.method,
                context=parent,
                kind=kind,
                links=_links(parent, around),
                attributes={**tracked_runs(), **attributes_of(parent), **_attributes(message)},
            )
        self._is_open = True
        self.context = otel.set_value(_KEY, self, trace.set_span_in_context(self.span, parent))
        is_kept = self._is_own and active.capture.wants_content and not is_private(parent)
        self._wants_content = is_kept and self.span.is_recording() and message.method in _READS
        if self._wants_content:
            self._guarded("reading a request", self._write_input)

    @property
    def method(self) -> str:
        """Such as ``tools/call``."""
        return self._message.method

    @property
    def is_open(self) -> bool:
        """False once the span has ended."""
        return self._is_open

    def lend(self, kind: SpanKind, method: object) -> bool:
        """Tells whether a span that the library is about to start is this one; true once."""
        is_same = not self._is_lent and kind is self.kind and method == self.method
        self._is_lent = self._is_lent or is_same
        return is_same

    def number(self, request_id: object) -> None:
        """Notes the request's id, where it is given after the span has begun."""
        if request_id is not None:
            self._guarded(
                "reading a request",
                lambda: self.span.set_attribute(semconv.JSONRPC_REQUEST_ID, str(request_id)),
            )

    def answer(self, result: Any) -> None:
        """Reads the result, a model of the library's or its JSON, and ends the span."""
        self._finish("reading an answer", lambda: self._read(result))

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed: with the protocol's error code where there is one."""

        def write() -> None:
            if self._is_own:  # else it is recorded by who started the span
                record_error(self.span, error, self._active.capture, keeps_text=not is_private(self.context))
            self._set_code(getattr(getattr(error, "error", None), "code", None))

        self._finish("recording an error", write)

    def refuse(self, code: Any, message: Any) -> None:
        """Ends the span as failed by an error that was answered, not raised."""

        def write() -> None:
            keeps_text = not is_private(self.context)
            record_error(self.span, None, self._active.capture, as_text(message) or "", keeps_text=keeps_text)
            self._set_code(code)

        self._finish("recording an error", write)

    # --- writing ------------------------------------------------------------------------------------------

    def _finish(self, what: str, write: Callable[[], None]) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._guarded(what, write)
        self._guarded("reading a connection", lambda: self.span.set_attributes(self._message.facts()))
        if self._is_own:
            self._guarded("ending a span", self.span.end)

    def _guarded(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  foreign objects; processors of the app
            guard.fault(f"{what} of mcp", error)

    def _set_code(self, code: Any) -> None:
        if isinstance(code, int):
            self.span.set_attributes({semconv.ERROR_TYPE: str(code), semconv.RPC_STATUS_CODE: str(code)})

    def _write_input(self) -> None:
        params = self._message.params
        if self.method == _CALL_TOOL:
            if (arguments := params.get("arguments")) is not None:
                self._put(semconv.TOOL_CALL_ARGUMENTS, arguments)
            return
        given = {key: value for key, value in params.items() if key not in _NOT_INPUT and value is not None}
        if given:
            self._put(semconv.STEP_INPUT, given["arguments"] if given.keys() == {"arguments"} else given)

    def _read(self, result: Any) -> None:
        body = fields(result)
        is_tool = self.method == _CALL_TOOL
        if is_tool and (body.get("isError") or body.get("is_error")) is True:
            message = "\n".join(filter(None, (joined([part]) for part in items(body.get("content")))))
            text = message if self._wants_content else ""
            record_error(self.span, None, self._active.capture, text)
            self.span.set_attribute(semconv.ERROR_TYPE, semconv.MCP_TOOL_ERROR)
        if self._wants_content:
            skipped = ("_meta", "meta")
            said = {name: value for name, value in body.items() if value is not None and name not in skipped}
            self._put(semconv.TOOL_CALL_RESULT if is_tool else semconv.STEP_OUTPUT, said)

    def _put(self, key: str, value: Any) -> None:
        self._active.pipeline.put_content(self.span, {key: self._active.capture.content(plain(value))})

    def __del__(self) -> None:
        if self._is_open:  # a coroutine that nobody ran to its end
            close_from_finalizer(lambda: self._finish("ending", lambda: None))


def begin(kind: SpanKind, read: Callable[[], Message | None]) -> Exchange | None:
    """Starts the span of a request; ``None`` where nothing is to be recorded. Never raises.

    Args:
        kind: ``CLIENT`` or ``SERVER``.
        read: Reads the request; ``None`` for what is none.
    """
    active, around = runtime.current(), get_current()
    if active is None or is_instrumentation_suppressed(around):
        return None
    try:
        if not active.config.isolated and not (_PEERS.at_work() or _PROPAGATES_ONLY).startswith(
            _PROPAGATES_ONLY
        ):
            _PEERS.are_tracing(around)  # says it, once
            return None
        message = read()
        return Exchange(active, kind, message, around) if message is not None and message.method else None
    except Exception as error:  # noqa: BLE001  foreign objects; the app's sampler
        guard.fault("reading a request of mcp", error)
        return None


def exchange_in(context: Context) -> Exchange | None:
    """Returns the request that is being made or answered in a context."""
    found = context.get(_KEY)
    return found if isinstance(found, Exchange) else None


def _continued(meta: Mapping[str, Any] | None, around: Context) -> Context:
    """Returns the context of a request's sender, from its ``_meta``; ``around`` when it sent none."""
    if not meta:
        return around
    try:
        found = extract({key: value for key, value in meta.items() if isinstance(value, str)}, around)
    except Exception as error:  # noqa: BLE001  a peer may send anything
        guard.fault("reading the context of an mcp request", error)
        return around
    return found if trace.get_current_span(found).get_span_context().is_valid else around


def _tool_span_around(parent: Context, tool: str | None) -> trace.Span | None:
    """Returns the span that a framework has opened for this very tool call: it is not doubled."""
    span: Any = trace.get_current_span(parent)
    if not span.is_recording():
        return None
    attributes = getattr(span, "attributes", None) or {}
    is_same = attributes.get(semconv.OPERATION_NAME) == semconv.OP_EXECUTE_TOOL
    is_same = is_same and attributes.get(semconv.TOOL_NAME) == tool and semconv.MCP_METHOD not in attributes
    return span if is_same else None


def _links(parent: Context, around: Context) -> list[trace.Link] | None:
    """Links to the span that the request was received in, where the sender's trace is another one."""
    own = trace.get_current_span(around).get_span_context()
    sender = trace.get_current_span(parent).get_span_context()
    return [trace.Link(own)] if own.is_valid and own.trace_id != sender.trace_id else None


def _attributes(message: Message) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {semconv.MCP_METHOD: message.method, **message.facts()}
    if message.request_id is not None:
        attributes[semconv.JSONRPC_REQUEST_ID] = str(message.request_id)
    target = as_text(message.params.get("name"))
    if message.method == _CALL_TOOL:
        attributes[semconv.OPERATION_NAME] = semconv.OP_EXECUTE_TOOL
        if target:
            attributes[semconv.TOOL_NAME] = target
    elif message.method == _GET_PROMPT and target:
        attributes[semconv.PROMPT_NAME] = target
    uri = message.params.get("uri")
    if uri is not None:
        attributes[semconv.MCP_RESOURCE_URI] = str(uri)
    return attributes
