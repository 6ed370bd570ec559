"""How a failure is written to a span: status, ``error.type``, HTTP status code, an exception event."""

from typing import Any

from opentelemetry.trace import Span, Status, StatusCode

from spanwise import semconv
from spanwise.capture import Capture
from spanwise.content import Waiting
from spanwise.operation import AttributeValue
from spanwise.stack import Link, stack_of, text_of

_MAX_MESSAGE = 4_096
_MAX_STACK = 32_768
_FIRST_STATUS = 100


def type_name(error: BaseException) -> str:
    """Returns an exception's class with its module, without ``builtins.``."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def record_error(
    span: Span, error: BaseException | None, capture: Capture, message: str = "", *, keeps_text: bool = True
) -> None:
    """Marks a span as failed, with an exception event when an exception was raised.

    Args:
        span: The span, still open.
        error: What was raised; ``None`` when the provider reported a failure without raising.
        capture: Scrubs the texts: messages of providers quote keys and prompts.
        message: The failure in words, for when ``error`` is ``None``.
        keeps_text: False leaves out everything but the kind of failure.
    """
    if error is not None:
        message = _message(error)
    message = capture.text(message[:_MAX_MESSAGE]) if keeps_text else ""
    span.set_status(Status(StatusCode.ERROR, message or None))
    if error is None:
        return
    name = type_name(error)
    attributes: dict[str, AttributeValue] = {semconv.ERROR_TYPE: name}
    status_code = getattr(error, "status_code", None)
    if isinstance(status_code, int) and status_code >= _FIRST_STATUS:  # ollama's -1 is none
        attributes[semconv.HTTP_RESPONSE_STATUS_CODE] = status_code
    span.set_attributes(attributes)
    if not keeps_text:
        span.add_event(semconv.EXCEPTION_EVENT, {semconv.EXCEPTION_TYPE: name})
        return

    def text(chain: list[Link]) -> str:
        return capture.text(text_of(chain)[-_MAX_STACK:])

    stack: Any = stack_of(error)
    # A light span is seen by our export thread alone, which finds the lines and scrubs them there.
    is_put_off = getattr(span, "takes_waiting", False) and capture.may_wait
    event: dict[str, Any] = {
        semconv.EXCEPTION_TYPE: name,
        semconv.EXCEPTION_MESSAGE: message,
        semconv.EXCEPTION_STACKTRACE: Waiting(stack, text) if is_put_off else text(stack),
    }
    span.add_event(semconv.EXCEPTION_EVENT, event)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an exception whose text fails is still an exception
        return f"<{type_name(error)} without a readable message>"
