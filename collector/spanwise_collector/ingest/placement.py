"""What a span's columns say together.

Its operation and dialect, where generic input and output belong, and the corrections that keep token counts
from being added twice.
"""

import orjson

from spanwise import semconv
from spanwise_collector.ingest.dialects.vocabulary import CHAIN, VECTOR_OPERATIONS
from spanwise_collector.ingest.messages import input_messages, output_messages, with_system
from spanwise_collector.ingest.rules import HIDDEN, Found
from spanwise_collector.ingest.span_events import read_events
from spanwise_collector.model import Span

_DIALECT_NAMES = {1: "otel_genai", 2: "openllmetry", 3: "openllmetry"}
_MODEL_OPERATIONS = frozenset({semconv.OP_CHAT, semconv.OP_TEXT_COMPLETION, semconv.OP_GENERATE_CONTENT})
_MAX_TIME_NS = 1 << 63
"""Points in time beyond the year 2262 are no 64-bit nanoseconds."""
_OWN_SCOPE = "spanwise"
_SEARCH_OPERATIONS = frozenset({semconv.OP_RETRIEVAL, semconv.OP_RERANK})


def finish(span: Span, found: Found, bits: int) -> None:
    """Settles a span whose single fields are filled, in place."""
    span.dialect = "openinference" if bits & 4 else _DIALECT_NAMES.get(bits, "")
    _settle_operation(span, found)
    if span.events:
        read_events(span)
    if "_input" in found or "_output" in found:
        _place_generic(span, found)
    if "_query" in found and not span.input_text:
        span.input_text = found["_query"][1]
    if "_system" in found:
        span.input_messages = with_system(found["_system"][1], span.input_messages)
    _settle_finish_reasons(span)
    _settle_usage(span)
    _settle_names(span, found)
    _settle_cost(span, found)
    _flag(span)


def _settle_operation(span: Span, found: Found) -> None:
    operation = span.operation
    if operation == CHAIN:
        span.operation = semconv.OP_TASK if span.parent_span_id else semconv.OP_INVOKE_WORKFLOW
    elif operation == semconv.OP_RETRIEVAL and found["operation"][2] == "db.system":
        # A vector store is written to as well as searched: only searches are retrievals.
        verb = span.attributes.get("db.operation", span.name.rpartition(".")[2])
        if not (isinstance(verb, str) and verb.lower() in VECTOR_OPERATIONS):
            span.operation = ""
    elif not operation and span.dialect:
        if span.tool_name:
            span.operation = semconv.OP_EXECUTE_TOOL
        elif span.request_model or span.response_model:
            span.operation = semconv.OP_CHAT
    if not span.dialect and not span.operation:
        span.provider = ""  # the host of an ordinary HTTP call is no provider of a model


def _place_generic(span: Span, found: Found) -> None:
    given = found.get("_input")
    if given is not None and _place(span, given[1], is_input=True):
        span.attributes.pop(given[2], None)
    returned = found.get("_output")
    if returned is not None and _place(span, returned[1], is_input=False):
        span.attributes.pop(returned[2], None)


def _place(span: Span, content: str, *, is_input: bool) -> bool:
    """Puts generic input or output where the operation says; False when that place is taken."""
    operation = span.operation
    if operation == semconv.OP_EXECUTE_TOOL:
        return _fill(span, "tool_arguments" if is_input else "tool_result", content)
    if operation in _MODEL_OPERATIONS:
        if is_input:
            return not span.input_messages and _fill(span, "input_messages", input_messages(content) or "")
        return not span.output_messages and _fill(span, "output_messages", output_messages(content) or "")
    if operation in _SEARCH_OPERATIONS and not is_input and not span.documents and _is_document_list(content):
        return _fill(span, "documents", content)
    return _fill(span, "input_text" if is_input else "output_text", content)


def _fill(span: Span, field: str, content: str) -> bool:
    if getattr(span, field):
        return False
    setattr(span, field, content)
    return True


def _is_document_list(content: str) -> bool:
    if content[:1] != "[":
        return False
    try:
        items = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _settle_finish_reasons(span: Span) -> None:
    if not span.finish_reasons and '"finish_reason"' in span.output_messages:
        answers = orjson.loads(span.output_messages)
        reasons = (answer.get("finish_reason") for answer in answers if isinstance(answer, dict))
        span.finish_reasons = [reason for reason in reasons if isinstance(reason, str) and reason]
    if span.finish_reasons:
        folded = semconv.FINISH_REASONS
        span.finish_reasons = [folded.get(reason, reason) for reason in span.finish_reasons]


def _settle_usage(span: Span) -> None:
    if span.scope_name == _OWN_SCOPE:
        return  # our SDK counts totals whole: a part above its total is what the provider reported
    cached, written = span.cached_input_tokens or 0, span.cache_write_input_tokens or 0
    if span.input_tokens is not None and cached + written > span.input_tokens:
        # Anthropic's own counting leaves cached tokens out; the conventions want them in.
        span.input_tokens += cached + written
        span.warnings.append("usage_excluded_cached_tokens")
    reasoning = span.reasoning_output_tokens or 0
    if span.output_tokens is not None and reasoning > span.output_tokens:
        span.output_tokens += reasoning
        span.warnings.append("usage_excluded_reasoning_tokens")


def _settle_names(span: Span, found: Found) -> None:
    if "_entity_name" in found:
        kind = found["_entity_kind"][1] if "_entity_kind" in found else ""
        name = found["_entity_name"][1]
        if kind == "tool" and not span.tool_name:
            span.tool_name = name
        elif kind == "agent" and not span.agent_name:
            span.agent_name = name
        elif kind == "workflow" and not span.workflow_name:
            span.workflow_name = name
    if "_node_name" in found and not span.agent_name and span.operation == semconv.OP_INVOKE_AGENT:
        span.agent_name = found["_node_name"][1]
    if span.operation == semconv.OP_EXECUTE_TOOL and not span.tool_name:
        span.tool_name = span.name
    if not span.service and "_project" in found:
        span.service = found["_project"][1]
    if span.status == "error" and not span.error_type:
        span.error_type = semconv.ERROR_OTHER


def _settle_cost(span: Span, found: Found) -> None:
    span.is_billable = span.operation in semconv.BILLABLE_OPERATIONS
    if span.reported_cost_usd is None:
        halves = [found[key][1] for key in ("_reported_input_usd", "_reported_output_usd") if key in found]
        if halves:
            span.reported_cost_usd = sum(halves)


def _flag(span: Span) -> None:
    if span.end_ns >= _MAX_TIME_NS:
        span.end_ns = 0
        span.warnings.append("end_time_out_of_range")
    elif span.end_ns < span.start_ns:
        span.warnings.append("end_before_start" if span.end_ns else "end_time_missing")
    hidden = '{"type":"hidden"}'
    if hidden in span.input_messages or hidden in span.output_messages or HIDDEN in span.attributes.values():
        span.warnings.append("content_hidden_by_sender")
