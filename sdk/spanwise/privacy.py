"""Blocks of which no content is recorded: ``spanwise.private()``, and what it means for spans of others.

Our own spans carry no content there because none is read. Spans that other instrumentors make are shown
without everything that may be content when they are exported to Spanwise; what the app's other exporters
receive of them is not ours to change.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from spanwise import semconv
from spanwise.ambient import as_private
from spanwise.scoped import Scoped

_TEXT_KEYS = frozenset(
    {
        semconv.OPERATION_NAME,
        semconv.PROVIDER_NAME,
        semconv.OUTPUT_TYPE,
        semconv.REQUEST_MODEL,
        semconv.REQUEST_REASONING_LEVEL,
        semconv.REQUEST_PREVIOUS_RESPONSE_ID,
        semconv.REQUEST_ENCODING_FORMATS,
        semconv.RESPONSE_ID,
        semconv.RESPONSE_MODEL,
        semconv.RESPONSE_FINISH_REASONS,
        semconv.CONVERSATION_ID,
        semconv.SESSION_ID,
        semconv.USER_ID,
        semconv.AGENT_ID,
        semconv.AGENT_NAME,
        semconv.AGENT_VERSION,
        semconv.WORKFLOW_NAME,
        semconv.TOOL_NAME,
        semconv.TOOL_CALL_ID,
        semconv.TOOL_TYPE,
        semconv.DATA_SOURCE_ID,
        semconv.PROMPT_NAME,
        semconv.PROMPT_VERSION,
        semconv.TAGS,
        semconv.OPENAI_API_TYPE,
        semconv.OPENAI_REQUEST_SERVICE_TIER,
        semconv.OPENAI_RESPONSE_SERVICE_TIER,
        semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
        semconv.SERVER_ADDRESS,
        semconv.ERROR_TYPE,
        semconv.EXCEPTION_TYPE,
        # What other dialects call the same.
        "gen_ai.system",
        "llm.request.type",
        "llm.model_name",
        "llm.provider",
        "llm.system",
        "embedding.model_name",
        "openinference.span.kind",
        "traceloop.span.kind",
        "traceloop.workflow.name",
        "traceloop.entity.name",
        "http.request.method",
        "url.scheme",
        "db.system",
        "db.operation",
    }
)
"""Texts that say what was called, not what was said. Everything else that is text may be content."""


def private() -> Scoped:
    """Returns a context manager and decorator: nothing that people or models wrote is recorded inside.

        with spanwise.private():
            answer(medical_question)

    Spans stay, with models, tokens, times and errors by type; messages, tool arguments and results,
    documents, inputs, outputs, prompt variables, error messages and comments of scores are left out,
    whatever the capture policy says. Carried to tasks, threads and executors. Of spans that others make,
    Spanwise's own export leaves out every text that is not known to be a name; their other exporters are
    not affected.
    """
    return Scoped(as_private)


def without_content(span: ReadableSpan) -> ReadableSpan:
    """Returns a copy of an ended span with numbers, truth values and the names of things only."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_names_only(span.attributes or {}),
        events=[
            Event(event.name, _names_only(event.attributes or {}), event.timestamp) for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _names_only(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if _is_plain(key, value)}


def _is_plain(key: str, value: object) -> bool:
    if isinstance(value, bool | int | float):
        return True
    return key in _TEXT_KEYS or key.startswith(semconv.METADATA_PREFIX)
