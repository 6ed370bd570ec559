"""The trace page's header and its server-drawn rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from spanwise_collector.model import Span, SpanOutline
from spanwise_dashboards import format as fmt
from spanwise_dashboards.kinds import KINDS, LLM, kind_of, short_name
from spanwise_dashboards.text import plain
from spanwise_dashboards.tree import Rollup, Row

LABEL_FITS_BELOW = 78.0
LABEL_INSIDE_FROM = 60.0


@dataclass(frozen=True)
class DrawnRow:
    """One row of the tree with its bar, in percent of the axis."""

    href: str
    depth: int
    kind: str
    name: str
    cost: str
    duration: str
    is_error: bool
    is_selected: bool
    is_critical: bool
    x: float
    wait: float
    width: float
    label_x: float
    label_before: bool


@dataclass(frozen=True)
class Tag:
    """A tag and the list of traces that have it."""

    name: str
    href: str


def tree_rows(rows: Sequence[Row], rollup: Rollup, trace_id: str, selected: str) -> list[DrawnRow]:
    """Returns the rows as the page draws them without script."""
    return [_drawn(row, rollup, trace_id, selected) for row in rows]


def _drawn(row: Row, rollup: Rollup, trace_id: str, selected: str) -> DrawnRow:
    span = row.span
    scale = 100 / rollup.duration_ns if rollup.duration_ns else 0.0
    x = min(99.6, max(0.0, (span.start_ns - rollup.start_ns) * scale))
    width = max(0.4, min(100 - x, span.duration_ns * scale))
    wait = min(width, (span.time_to_first_chunk_ns or 0) * scale)
    is_wide = width > LABEL_INSIDE_FROM
    is_before = not is_wide and x + width > LABEL_FITS_BELOW
    return DrawnRow(
        href=f"/traces/{trace_id}?span={span.span_id}",
        depth=row.depth,
        kind=kind_of(span.operation),
        name=plain(short_name(span.name, span.operation), 160),
        cost=row.cost_label,
        duration="" if is_wide else fmt.duration(span.duration_ns),
        is_error=span.status == "error",
        is_selected=span.span_id == selected,
        is_critical=row.is_critical,
        x=round(x, 2),
        wait=round(wait, 2),
        width=round(width - wait, 2),
        label_x=round(x - 1.2 if is_before else x + width + 1.2, 2),
        label_before=is_before,
    )


def title(rows: Sequence[Row], rollup: Rollup) -> dict[str, Any]:
    """Returns name, kind and status of the trace, for the template."""
    root = rows[0].span
    status = "error" if rollup.error_count else root.status
    return {
        "name": plain(short_name(root.name, root.operation) or "unnamed", 160),
        "kind": kind_of(root.operation),
        "status": status,
    }


def header(rows: Sequence[Row], root: Span, rollup: Rollup) -> dict[str, Any]:
    """Returns what stands above the tree: title, pills with their links, tags, axis, legend."""
    return {
        **title(rows, rollup),
        "pills": _pills(root, rollup),
        "tags": [Tag(plain(tag, 60), _list_url(tag=tag)) for tag in root.tags],
        "ticks": _ticks(rollup.duration_ns),
        "kinds": [kind for kind in KINDS if any(kind_of(row.span.operation) == kind for row in rows)],
    }


def _pills(root: Span, rollup: Rollup) -> list[tuple[str, str, str]]:
    """(label, value, link) of what the root says about the trace; values that are not there are left out."""
    session = f"/sessions/{quote(root.conversation_id, safe='')}" if root.conversation_id else ""
    prompt = root.prompt_name + (f"@{root.prompt_version}" if root.prompt_version else "")
    pills = [
        ("session", root.conversation_id, session),
        ("user", root.user_id, _list_url(user_id=root.user_id)),
        ("service", root.service, _list_url(service=root.service)),
        ("env", root.environment, _list_url(environment=root.environment)),
        ("release", root.service_version, ""),
        ("prompt", prompt if root.prompt_name else "", _list_url(prompt_name=root.prompt_name)),
        *(("model", model, _list_url(model=model)) for model in rollup.models[:3]),
    ]
    return [(label, plain(value, 60), link) for label, value, link in pills if value]


def _list_url(**filters: str) -> str:
    return "/traces?" + urlencode({**filters, "range": "all"})


def _ticks(duration_ns: int) -> list[str]:
    """Five marks of the axis; only the last one has the unit."""
    parts = fmt.duration_parts(duration_ns)
    if duration_ns < 4_000_000:
        return ["0", fmt.duration(duration_ns)]
    if parts[0][1] not in ("ms", "s"):
        return ["0", fmt.duration(duration_ns // 2), fmt.duration(duration_ns)]
    is_ms = parts[0][1] == "ms"
    unit = 1_000_000 if is_ms else 1_000_000_000
    inner = [f"{duration_ns * step / 4 / unit:.{0 if is_ms else 1}f}" for step in (1, 2, 3)]
    return ["0", *inner, fmt.duration(duration_ns)]


def telling_span(rows: Sequence[Row]) -> SpanOutline:
    """Returns the span a preview shows: the deepest that failed, else the last model call, else the root."""
    failed = [row for row in rows if row.span.status == "error"]
    if failed:
        return max(failed, key=lambda row: row.depth).span
    calls = [row.span for row in rows if kind_of(row.span.operation) == LLM]
    return max(calls, key=lambda span: span.start_ns) if calls else rows[0].span
