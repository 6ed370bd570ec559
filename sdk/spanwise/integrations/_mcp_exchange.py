"""The span of one MCP request, on the client's or the server's side.

Source: OpenTelemetry semantic conventions for MCP 1.39 and later; SEP-414 for context in ``params._meta``.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context

from spanwise import guard, runtime, semconv
from spanwise.ambient import attributes_of
from spanwise.errors import record_error
from spanwise.integrations._stainless_fields import as_text, fields, plain
from spanwise.suppression import is_instrumentation_suppressed

METHOD = "mcp.method.name"
RESOURCE_URI = "mcp.resource.uri"
RPC_STATUS = "rpc.response.status_code"
TOOL_ERROR = "tool_error"
_CALL_TOOL, _GET_PROMPT = "tools/call", "prompts/get"
_READS = frozenset(
    {_CALL_TOOL, _GET_PROMPT, "resources/read", "completion/complete", "sampling/createMessage"}
)
"""Methods whose answers hold what somebody wrote."""
_KEY = otel.create_key("spanwise-mcp")


class Exchange:
    """The open span of one request. Nothing here raises.

    Args:
        active: The set-up in force.
        kind: ``CLIENT`` or ``SERVER``.
        method: Such as ``tools/call``.
        params: The request's parameters as JSON.
        parent: The context to continue.
    """

    __slots__ = ("_active", "_is_open", "_is_own", "context", "method", "span")

    def __init__(
        self, active: runtime.Runtime, kind: SpanKind, method: str, params: Mapping[str, Any], parent: Context
    ) -> None:
        self._active, self.method, self._is_open = active, method, True
        target = as_text(params.get("name"))
        attributes = _attributes(method, target, params)
        around = (
            _execute_tool_span(parent, target) if kind is SpanKind.CLIENT and method == _CALL_TOOL else None
        )
        self._is_own = around is None
        if around is not None:
            self.span: Span = around
            self.span.set_attributes(attributes)
        else:
            self.span = active.pipeline.tracer().start_span(
                f"{method} {target}" if target else method,
                context=parent,
                kind=kind,
                attributes={**attributes_of(parent), **attributes},
            )
        self.context = otel.set_value(_KEY, self, set_span_in_context(self.span, parent))
        if self._is_own and (arguments := params.get("arguments")) is not None:
            self._put(semconv.TOOL_CALL_ARGUMENTS if method == _CALL_TOOL else semconv.STEP_INPUT, arguments)

    def answer(self, result: Any) -> None:
        """Reads the result, a model of the library's or its JSON, and ends the span."""
        if self._is_open:
            try:
                self._read(result)
            except Exception as error:  # noqa: BLE001  foreign objects
                guard.fault("reading an answer of mcp", error)
            finally:
                self._end()

    def fail(self, error: BaseException) -> None:
        """Ends the span as failed: with the protocol's error code where there is one."""
        if not self._is_open:
            return
        try:
            code = getattr(getattr(error, "error", None), "code", None)
            record_error(self.span, error, self._active.capture)
            if isinstance(code, int):
                self._set_code(code)
        except Exception as fault:  # noqa: BLE001
            guard.fault("recording an error of mcp", fault)
        finally:
            self._end()

    def refuse(self, code: Any, message: Any) -> None:
        """Ends the span as failed by an error that was answered, not raised."""
        if self._is_open:
            record_error(self.span, None, self._active.capture, as_text(message) or "")
            self._set_code(code)
            self._end()

    def _set_code(self, code: Any) -> None:
        self.span.set_attributes({semconv.ERROR_TYPE: str(code), RPC_STATUS: str(code)})

    def _read(self, result: Any) -> None:
        body = fields(plain(result))
        if self.method == _CALL_TOOL and (body.get("isError") or body.get("is_error")) is True:
            record_error(self.span, None, self._active.capture, "")
            self.span.set_attribute(semconv.ERROR_TYPE, TOOL_ERROR)
        if self._is_own and self.method in _READS:
            body = {
                key: value
                for key, value in body.items()
                if value is not None and key not in ("_meta", "meta")
            }
            self._put(semconv.TOOL_CALL_RESULT if self.method == _CALL_TOOL else semconv.STEP_OUTPUT, body)

    def _put(self, key: str, value: Any) -> None:
        capture = self._active.capture
        if capture.wants_content and self.span.is_recording():
            self._active.pipeline.put_content(self.span, {key: capture.content(plain(value))})

    def _end(self) -> None:
        self._is_open = False
        if self._is_own:
            self.span.end()


def begin(kind: SpanKind, method: str, params: Mapping[str, Any], parent: Context) -> Exchange | None:
    """Starts the span of a request; ``None`` where nothing is to be recorded."""
    active = runtime.current()
    if active is None or not method or is_instrumentation_suppressed(parent):
        return None
    try:
        return Exchange(active, kind, method, params, parent)
    except Exception as error:  # noqa: BLE001  foreign objects; the app's sampler
        guard.fault("reading a request of mcp", error)
        return None


def exchange_in(context: Context) -> Exchange | None:
    """Returns the request that is being made or answered in a context."""
    found = context.get(_KEY)
    return found if isinstance(found, Exchange) else None


def continued(meta: Mapping[str, Any] | None, current: Context) -> Context:
    """Returns the context of a request's sender, from its ``_meta``; ``current`` when it sent none."""
    try:
        found = extract(
            {key: value for key, value in (meta or {}).items() if isinstance(value, str)}, current
        )
    except Exception as error:  # noqa: BLE001  a peer may send anything
        guard.fault("reading the context of an mcp request", error)
        return current
    return found if get_current_span(found).get_span_context().is_valid else current


def _attributes(method: str, target: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {METHOD: method}
    if method == _CALL_TOOL:
        attributes[semconv.OPERATION_NAME] = semconv.OP_EXECUTE_TOOL
        if target:
            attributes[semconv.TOOL_NAME] = target
    elif method == _GET_PROMPT and target:
        attributes[semconv.PROMPT_NAME] = target
    if uri := as_text(params.get("uri")):
        attributes[RESOURCE_URI] = uri
    return attributes


def _execute_tool_span(parent: Context, tool: str | None) -> Span | None:
    """Returns the span around the call if a framework has opened one for this very tool call."""
    span: Any = get_current_span(parent)
    if not span.is_recording():
        return None
    attributes = getattr(span, "attributes", None) or {}
    is_same = attributes.get(semconv.OPERATION_NAME) == semconv.OP_EXECUTE_TOOL
    is_same = is_same and attributes.get(semconv.TOOL_NAME) == tool and METHOD not in attributes
    return span if is_same else None
