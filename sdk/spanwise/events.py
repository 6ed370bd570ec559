"""The log event that carries an inference's content, for those who set a capture mode with EVENT in it.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, event ``gen_ai.client.inference.operation.details``.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span, set_span_in_context

from spanwise import semconv
from spanwise._version import __version__

EVENT_NAME = "gen_ai.client.inference.operation.details"


def emit_details(span: Span, content: Mapping[str, object]) -> None:
    """Emits the event through the app's global LoggerProvider; without one, nothing happens.

    Args:
        span: The inference span; its attributes are repeated on the event.
        content: Content attributes as structured values.
    """
    from opentelemetry import _logs

    attributes: dict[str, Any] = {**(getattr(span, "attributes", None) or {}), **content}
    logger = _logs.get_logger("spanwise", __version__, schema_url=semconv.SCHEMA_URL)
    logger.emit(
        _logs.LogRecord(
            event_name=EVENT_NAME,
            severity_number=_logs.SeverityNumber.INFO,
            attributes=attributes,
            context=set_span_in_context(span),
        )
    )
