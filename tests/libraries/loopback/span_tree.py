"""The tree that spans in memory form, as indented lines, and what one of them holds."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from span_memory import SpanMemory


def outline(memory: SpanMemory, *, kinds: bool = False) -> list[str]:
    """Returns one line a span, two spaces a level; siblings in the order they started in.

    Args:
        memory: Where the spans are.
        kinds: Adds the span's kind to each line.
    """
    spans = sorted(memory.exporter.get_finished_spans(), key=lambda span: span.start_time)
    known = {span.context.span_id for span in spans}
    lines: list[str] = []

    def show(span: ReadableSpan, level: int) -> None:
        failed = " !" if span.status.status_code.name == "ERROR" else ""
        lines.append("  " * level + span.name + (f" ({span.kind.name})" if kinds else "") + failed)
        for child in spans:
            if child.parent is not None and child.parent.span_id == span.context.span_id:
                show(child, level + 1)

    for span in spans:
        if span.parent is None or span.parent.span_id not in known:
            show(span, 0)
    assert len(lines) == len(spans), "spans that ended twice, or in a circle"
    return lines


def named(memory: SpanMemory, name: str) -> dict[str, Any]:
    """Returns attributes and content of the only span of this name."""
    (found,) = all_named(memory, name)
    return found


def all_named(memory: SpanMemory, name: str) -> list[dict[str, Any]]:
    """Returns attributes and content of the spans of this name, in the order they started in."""
    spans = sorted(memory.exporter.get_finished_spans(), key=lambda span: span.start_time)
    return [
        {**(span.attributes or {}), **memory.content.get(span.context.span_id, {})}
        for span in spans
        if span.name == name
    ]


def span_of(memory: SpanMemory, name: str) -> ReadableSpan:
    """Returns the only span of this name."""
    (found,) = [span for span in memory.exporter.get_finished_spans() if span.name == name]
    return found
