"""Traces: the list, one trace, its outline, one span. Ids first, payload later."""

from collections.abc import Sequence
from typing import Any

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import Page, Span, SpanOutline, TraceFilter, TraceSummary
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.cursors import Cursor, decode_cursor
from spanwise_collector.store.filters import conditions_of
from spanwise_collector.store.rows import span_from_row
from spanwise_collector.store.statements import statement

_NO_LIMIT = 2**63 - 1
MAX_PAGE = 1000


def list_traces(
    engine: Engine, project_id: str, where: TraceFilter, *, limit: int, cursor: str | None
) -> Page[TraceSummary]:
    """List the newest traces that match, ``limit`` a page."""
    if not 1 <= limit <= MAX_PAGE:
        raise BadRequest(f"limit is {limit}", fix=f"give 1 to {MAX_PAGE}")
    conditions = conditions_of(where)
    if cursor is not None:
        last = decode_cursor(cursor)
        conditions.groups.append(
            "(first_start, trace_id) < ({cursor_start:Int64}, toFixedString(unhex({cursor_id:String}), 16))"
        )
        conditions.parameters |= {"cursor_start": last.start_ns, "cursor_id": _checked_id(last.row_id, 32)}
    rows = engine.read(
        statement("match_traces"),
        {"project_id": project_id, "limit": limit + 1, **conditions.parameters},
        bounds=conditions.bound_text(),
        conditions=conditions.group_text(),
    )
    page = rows[:limit]
    summaries = summarise(engine, project_id, [trace_id for trace_id, _ in page])
    next_cursor = Cursor(page[-1][1], page[-1][0]).encode() if len(rows) > limit else None
    return Page([summaries[trace_id] for trace_id, _ in page if trace_id in summaries], next_cursor)


def summarise(engine: Engine, project_id: str, trace_ids: Sequence[str]) -> dict[str, TraceSummary]:
    """Summarise some traces, by id; what does not exist is absent."""
    span = locate(engine, project_id, trace_ids)
    if span is None:
        return {}
    rows = engine.read(
        statement("summarise_traces"),
        {"project_id": project_id, "trace_ids": list(trace_ids), "from": span[0], "to": span[1]},
    )
    return {row[0]: _summary(row) for row in rows}


def _summary(row: tuple[Any, ...]) -> TraceSummary:
    (
        trace_id,
        root,
        start_ns,
        duration_ns,
        errors,
        spans,
        calls,
        tokens_in,
        tokens_out,
        cost,
        unpriced,
        *rest,
    ) = row
    name, service, environment, operation, status, root_span_id = root
    is_estimated, models, user_id, conversation_id, tags = rest
    return TraceSummary(
        trace_id=trace_id,
        name=name,
        service=service,
        environment=environment,
        operation=operation,
        start_ns=start_ns,
        duration_ns=duration_ns,
        status="error" if errors else status,
        error_count=errors,
        span_count=spans,
        llm_call_count=calls,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_usd=cost,
        unpriced_count=unpriced,
        is_estimated=bool(is_estimated),
        models=list(models),
        user_id=user_id,
        conversation_id=conversation_id,
        tags=list(tags),
        root_span_id=root_span_id,
        input_preview="",
        output_preview="",
    )


def locate(engine: Engine, project_id: str, trace_ids: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and last start of the spans of some traces, nanoseconds, or ``None`` if there are none."""
    if not trace_ids:
        return None
    rows = engine.read(
        statement("locate_traces"),
        {"project_id": project_id, "trace_ids": [_checked_id(trace_id, 32) for trace_id in trace_ids]},
    )
    first, last, count = rows[0]
    return (first, last) if count else None


def read_trace(
    engine: Engine, project_id: str, trace_id: str, *, limit: int | None, after: str | None
) -> list[Span]:
    """Read a trace's spans in order of start; ``after`` is the id of the last span of the page before."""
    span = locate(engine, project_id, [trace_id])
    if span is None:
        return []
    parameters: dict[str, Any] = {
        "project_id": project_id,
        "trace_id": trace_id,
        "from": span[0],
        "to": span[1],
        "limit": _NO_LIMIT if limit is None else limit,
    }
    conditions = ""
    if after is not None:
        conditions = statement("after_span").text()
        parameters["after"] = _checked_id(after, 16)
    rows = engine.read(statement("read_spans"), parameters, conditions=conditions)
    return [span_from_row(row) for row in rows]


def read_span(engine: Engine, project_id: str, trace_id: str, span_id: str) -> Span | None:
    """Read one span, or ``None`` if it is not stored."""
    span = locate(engine, project_id, [trace_id])
    if span is None:
        return None
    rows = engine.read(
        statement("read_spans"),
        {
            "project_id": project_id,
            "trace_id": trace_id,
            "from": span[0],
            "to": span[1],
            "limit": 1,
            "span_id": _checked_id(span_id, 16),
        },
        conditions="AND span_id = toFixedString(unhex({span_id:String}), 8)",
    )
    return span_from_row(rows[0]) if rows else None


def read_outline(engine: Engine, project_id: str, trace_id: str) -> list[SpanOutline]:
    """Read what a tree shows of every span of a trace, in order of start."""
    span = locate(engine, project_id, [trace_id])
    if span is None:
        return []
    columns = engine.read_columns(
        statement("outline_trace"),
        {"project_id": project_id, "trace_id": trace_id, "from": span[0], "to": span[1]},
    )
    return list(map(SpanOutline, *columns)) if columns else []


def _checked_id(text: str, digits: int) -> str:
    try:
        if len(text) == digits and int(text, 16) >= 0 and text.isalnum():
            return text.lower()
    except ValueError:
        pass  # answered below, together with a wrong length
    raise BadRequest(f"id {text[:80]!r} is not {digits} hexadecimal digits", fix="copy the id as it is shown")
