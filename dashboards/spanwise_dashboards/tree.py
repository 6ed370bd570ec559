"""A trace as a tree: order, depth, roll-up of cost and tokens, critical path.

Works on outlines, without recursion, so that 20,000 spans and a depth of 20,000 are no matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spanwise_collector.model import SpanOutline
from spanwise_dashboards import format as fmt
from spanwise_dashboards.kinds import KINDS, answering_first, kind_of, short_name
from spanwise_dashboards.text import plain


@dataclass
class Row:
    """One span in its place. ``cost`` and ``unpriced`` sum the billable spans at and below it, each once."""

    span: SpanOutline
    depth: int
    child_count: int = 0
    cost: Decimal | None = None
    unpriced: int = 0
    errors_below: int = 0
    is_critical: bool = False
    is_orphan: bool = False

    @property
    def cost_label(self) -> str:
        """The rolled-up cost, ``unpriced`` when nothing below has a price, empty when nothing is billed."""
        if self.cost is not None:
            return fmt.money(self.cost) + ("+" if self.unpriced else "")
        return "unpriced" if self.unpriced else ""


@dataclass(frozen=True)
class Rollup:
    """Sums of a whole trace: billable spans only, so an agent's repeated usage counts once."""

    start_ns: int
    end_ns: int
    span_count: int
    error_count: int
    call_count: int
    priced_count: int
    unpriced_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    first_token_ns: int | None
    """From the start of the last streamed model call to its first chunk."""
    models: list[str]

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return self.end_ns - self.start_ns


def arrange(spans: Sequence[SpanOutline]) -> list[Row]:
    """Returns the spans depth first, siblings by start. A span whose parent is not here stands as a root."""
    known = {span.span_id for span in spans}
    children: dict[str, list[SpanOutline]] = {}
    for span in sorted(spans, key=lambda s: (s.start_ns, s.start_ns - s.duration_ns, s.span_id)):
        parent = span.parent_span_id if span.parent_span_id in known else ""
        if parent == span.span_id:
            parent = ""
        children.setdefault(parent, []).append(span)
    rows = _walk(children)
    if len(rows) < len(spans):  # a cycle among parents: its members hang from no root
        placed = {row.span.span_id for row in rows}
        rows += [Row(span, 0, is_orphan=True) for span in spans if span.span_id not in placed]
    _roll_up(rows)
    _mark_critical(rows)
    return rows


def _walk(children: dict[str, list[SpanOutline]]) -> list[Row]:
    rows: list[Row] = []
    stack = [(span, 0) for span in reversed(children.get("", []))]
    while stack:
        span, depth = stack.pop()
        below = children.get(span.span_id, [])
        is_orphan = depth == 0 and span.parent_span_id != ""
        rows.append(Row(span, depth, child_count=len(below), is_orphan=is_orphan))
        stack.extend((child, depth + 1) for child in reversed(below))
    return rows


def _roll_up(rows: list[Row]) -> None:
    """Adds each row to its parent, from the last row up: one pass, since rows stand depth first."""
    for row in rows:
        if row.span.is_billable and row.span.cost_usd is not None:
            row.cost = row.span.cost_usd
        elif row.span.is_billable and row.span.cost_status == "unpriced":
            row.unpriced = 1
    parents = _parents(rows)
    for position in range(len(rows) - 1, 0, -1):
        row, index = rows[position], parents[position]
        if index < 0:
            continue
        parent = rows[index]
        if row.cost is not None:
            parent.cost = (parent.cost or Decimal(0)) + row.cost
        parent.unpriced += row.unpriced
        parent.errors_below += row.errors_below + (row.span.status == "error")


def _parents(rows: list[Row]) -> list[int]:
    parents: list[int] = []
    path: list[int] = []
    for position, row in enumerate(rows):
        del path[row.depth :]
        parents.append(path[-1] if path else -1)
        path.append(position)
    return parents


def _mark_critical(rows: list[Row]) -> None:
    """Marks the spans that the trace's end waited for, walking back from the end of the longest root."""
    roots = [row for row in rows if row.depth == 0]
    if not roots:
        return
    children: dict[str, list[Row]] = {}
    parents = _parents(rows)
    for position, row in enumerate(rows):
        if parents[position] >= 0:
            children.setdefault(rows[parents[position]].span.span_id, []).append(row)
    first = max(roots, key=lambda row: row.span.duration_ns)
    stack = [first]
    while stack:
        row = stack.pop()
        row.is_critical = True
        until = row.span.start_ns + row.span.duration_ns
        below = children.get(row.span.span_id, [])
        for child in sorted(below, key=lambda r: r.span.start_ns + r.span.duration_ns, reverse=True):
            if child.span.start_ns + child.span.duration_ns <= until:
                stack.append(child)
                until = child.span.start_ns


def roll_up(spans: Sequence[SpanOutline]) -> Rollup:
    """Returns the sums over a trace's spans. Unknown tokens and cost stay ``None``."""
    billable = [span for span in spans if span.is_billable]
    inputs = [span.input_tokens for span in billable if span.input_tokens is not None]
    outputs = [span.output_tokens for span in billable if span.output_tokens is not None]
    costs = [span.cost_usd for span in billable if span.cost_usd is not None]
    streams = [span for span in spans if span.time_to_first_chunk_ns is not None]
    last = max(streams, key=lambda span: span.start_ns) if streams else None
    return Rollup(
        start_ns=min((span.start_ns for span in spans), default=0),
        end_ns=max((span.start_ns + span.duration_ns for span in spans), default=0),
        span_count=len(spans),
        error_count=sum(span.status == "error" for span in spans),
        call_count=len(billable),
        priced_count=len(costs),
        unpriced_count=sum(span.cost_usd is None and span.cost_status == "unpriced" for span in billable),
        input_tokens=sum(inputs) if inputs else None,
        output_tokens=sum(outputs) if outputs else None,
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        first_token_ns=last.time_to_first_chunk_ns if last else None,
        models=answering_first(span.model for span in spans),
    )


def columns(rows: Sequence[Row], start_ns: int) -> dict[str, Any]:
    """Returns the rows as columns for ``<span-tree>``: names interned, times in microseconds from start."""
    names: dict[str, int] = {}
    kinds = {kind: index for index, kind in enumerate(KINDS)}
    return {
        "id": [row.span.span_id for row in rows],
        "name": [
            names.setdefault(plain(short_name(row.span.name, row.span.operation), 160), len(names))
            for row in rows
        ],
        "names": list(names),
        "kind": [kinds[kind_of(row.span.operation)] for row in rows],
        "kinds": list(KINDS),
        "depth": [row.depth for row in rows],
        "children": [row.child_count for row in rows],
        "start": [(row.span.start_ns - start_ns) // 1000 for row in rows],
        "duration": [row.span.duration_ns // 1000 for row in rows],
        "first": [(row.span.time_to_first_chunk_ns or 0) // 1000 for row in rows],
        "error": [1 if row.span.status == "error" else 0 for row in rows],
        "below": [row.errors_below for row in rows],
        "critical": [int(row.is_critical) for row in rows],
        "cost": [row.cost_label for row in rows],
        "label": [fmt.duration(row.span.duration_ns) for row in rows],
    }
