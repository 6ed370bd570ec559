"""A model's tool calls paired with the spans that ran them, when the result is not among the messages."""

from collections.abc import Callable, Sequence

from spanwise_collector.model import Span, SpanOutline
from spanwise_dashboards import chat
from spanwise_dashboards import format as fmt
from spanwise_dashboards.kinds import TOOL, kind_of
from spanwise_dashboards.span_view import SpanView

MAX_READS = 12
"""Tool spans looked at for one panel; more calls than that keep their arguments only."""


def find_results(
    view: SpanView, spans: Sequence[SpanOutline], read_span: Callable[[str], Span | None]
) -> None:
    """Adds results to the calls of the answer, from the tool spans that started after it.

    A span belongs to a call when both name the same call id; spans without an id go by tool name, in order.
    """
    calls = [block for turn in view.outputs for block in turn.blocks if block.kind == "call"]
    waiting = [call for call in calls if call.result is None and call.result_json is None]
    if not waiting:
        return
    end_ns = view.span.start_ns + view.span.duration_ns
    later = [s for s in spans if kind_of(s.operation) == TOOL and s.start_ns >= end_ns]
    for outline in sorted(later, key=lambda s: s.start_ns)[:MAX_READS]:
        if not waiting:
            return
        span = read_span(outline.span_id)
        call = _call_of(span, waiting) if span is not None else None
        if span is not None and call is not None:
            waiting.remove(call)
            _attach(call, span)


def _call_of(span: Span, calls: Sequence[chat.Block]) -> chat.Block | None:
    if span.tool_call_id:
        return next((call for call in calls if call.call_id == span.tool_call_id), None)
    name = span.tool_name or span.name.removeprefix("execute_tool ")
    return next((call for call in calls if call.name == name), None)


def _attach(call: chat.Block, span: Span) -> None:
    call.result_note = fmt.duration(span.duration_ns)
    call.result_href = f"/traces/{span.trace_id}?span={span.span_id}"
    call.is_error = span.status == "error"
    if span.tool_result:
        # The address belongs to another span than the panel's, so the whole text is reached through its link.
        chat.set_result(call, span.tool_result, "")
    elif call.is_error:
        chat.set_result(call, span.status_message or span.error_type, "")
