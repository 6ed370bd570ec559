"""Finds calls that two instrumentors reported, one span inside the other, so that they are charged once.

A framework's span around a provider client's span repeats the usage of the call inside. The inner span is the
call; the outer one is taken out of the bill when its tokens are those of what is inside. Both must be in one
request, which they nearly always are: the outer span ends right after the inner one.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, nested inference spans.
"""

from collections import defaultdict
from collections.abc import Iterable

from spanwise_collector.model import Span

REPEATED = "usage_repeated_by_child"
Key = tuple[str, str]


def unbill_repetitions(spans: Iterable[Span]) -> None:
    """Takes spans whose usage their billed children already carry out of the bill, in place."""
    billed: dict[Key, Span] = {(span.trace_id, span.span_id): span for span in spans if span.is_billable}
    inside: defaultdict[Key, list[Span]] = defaultdict(list)
    for span in billed.values():
        if span.parent_span_id:
            key = (span.trace_id, span.parent_span_id)
            if key in billed:
                inside[key].append(span)
    for key, children in inside.items():
        outer = billed[key]
        if _repeats(outer, children):
            outer.is_billable = False
            outer.cost_usd, outer.cost_status, outer.price_source = None, "not_billable", ""
            outer.warnings.append(REPEATED)


def _repeats(outer: Span, children: list[Span]) -> bool:
    counts = [_usage(child) for child in children if child.operation == outer.operation]
    if not counts:
        return False
    total = (sum(count[0] for count in counts), sum(count[1] for count in counts))
    # An outer span without usage of its own carries nothing: what is inside is the call.
    return _usage(outer) in (total, (0, 0), *counts)


def _usage(span: Span) -> tuple[int, int]:
    return span.input_tokens or 0, span.output_tokens or 0
