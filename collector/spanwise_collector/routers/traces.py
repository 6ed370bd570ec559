"""Traces: the list, one trace, its outline, one span, and the histogram above a list."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from spanwise_collector.deps import ProjectDep, StoreDep
from spanwise_collector.errors import NotFound
from spanwise_collector.model import ScoreFilter
from spanwise_collector.routers import render, schemas
from spanwise_collector.routers.answers import documented
from spanwise_collector.routers.filters import CursorParam, FilterDep, LimitParam

router = APIRouter(tags=["traces"])
TraceId = Annotated[str, Path(pattern="^[0-9a-fA-F]{32}$", description="32 hex digits.")]
SpanId = Annotated[str, Path(pattern="^[0-9a-fA-F]{16}$", description="16 hex digits.")]


@router.get("/traces", summary="List traces, newest first", responses=documented(schemas.TracePage, 400))
def list_traces(
    store: StoreDep,
    project: ProjectDep,
    where: FilterDep,
    limit: LimitParam = 50,
    cursor: CursorParam = None,
) -> Response:
    """Any span of a trace must match every condition; without `from` and `to` there is no time limit."""
    page = store.list_traces(project, where, limit=limit, cursor=cursor or None)
    items = [render.summary(item) for item in page.items]
    return render.reply({"items": items, "next_cursor": page.next_cursor})


@router.get("/histogram", summary="Count traces over time", responses=documented(schemas.Histogram, 400))
def read_histogram(
    store: StoreDep,
    project: ProjectDep,
    where: FilterDep,
    buckets: Annotated[int, Query(ge=1, le=500)] = 72,
) -> Response:
    """Traces per interval under a filter, and the sums over them."""
    bars = store.trace_histogram(project, where, buckets=buckets)
    totals = store.trace_totals(project, where)
    return render.reply({"buckets": [render.bucket(bar) for bar in bars], "totals": render.totals(totals)})


@router.get("/traces/{trace_id}", summary="Read a trace", responses=documented(schemas.TraceDetail, 400, 404))
def read_trace(
    store: StoreDep,
    project: ProjectDep,
    trace_id: TraceId,
    limit: Annotated[int | None, Query(ge=1, le=100_000, description="Spans; default all.")] = None,
    after: Annotated[str | None, Query(description="`next_after` of the part before.")] = None,
) -> Response:
    """All spans in order of start, with messages as JSON and everything that was sent, and all scores."""
    spans = store.read_trace(project, trace_id.lower(), limit=limit, after=after)
    if not spans and after is None:
        raise NotFound(f"there is no trace {trace_id}", fix="spans show up once their request was answered")
    following = spans[-1].span_id if limit is not None and len(spans) == limit else None
    rendered = [render.span(span) for span in spans]
    scores = store.read_scores(project, ScoreFilter(trace_ids=(trace_id,)))
    return render.reply(
        {
            "trace_id": trace_id.lower(),
            "spans": rendered,
            "scores": [render.score(score) for score in scores],
            "next_after": following,
        }
    )


@router.get(
    "/traces/{trace_id}/outline",
    summary="Read a trace's tree without payloads",
    responses=documented(schemas.Outline, 400, 404),
)
def read_outline(store: StoreDep, project: ProjectDep, trace_id: TraceId) -> Response:
    """Columns instead of objects, so that a trace of 20,000 spans stays light."""
    items = store.read_outline(project, trace_id.lower())
    if not items:
        raise NotFound(f"there is no trace {trace_id}", fix="spans show up once their request was answered")
    return render.reply(render.outline(trace_id.lower(), items))


@router.get(
    "/traces/{trace_id}/spans/{span_id}",
    summary="Read one span",
    responses=documented(schemas.Span, 400, 404),
)
def read_span(store: StoreDep, project: ProjectDep, trace_id: TraceId, span_id: SpanId) -> Response:
    """One span with its payload."""
    found = store.read_span(project, trace_id.lower(), span_id.lower())
    if found is None:
        raise NotFound(f"there is no span {span_id} in trace {trace_id}", fix="look at the trace's outline")
    return render.reply(render.span(found))
