"""Sessions: what shares a conversation id. A session's sums are over all spans of its traces."""

from typing import Any

from spanwise_collector.model import Page, SessionSummary, TraceFilter, TraceSummary
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.cursors import Cursor, decode_cursor
from spanwise_collector.store.filters import is_timeless, matching_traces, population_of
from spanwise_collector.store.statements import statement
from spanwise_collector.store.summaries import summarise
from spanwise_collector.store.traces import check_limit, look_backs


def list_sessions(
    engine: Engine, project_id: str, where: TraceFilter, *, limit: int, cursor: str | None
) -> Page[SessionSummary]:
    """List the sessions that have a matching trace, latest activity first."""
    check_limit(limit)
    after = None if cursor is None else decode_cursor(cursor)
    found: list[tuple[str, int]] = []
    ceiling = None if after is None else after.start_ns + 1
    for floor in look_backs(engine, project_id, None, ceiling):
        found = _page(engine, project_id, where, floor=floor, limit=limit + 1, after=after)
        if len(found) > limit:
            break
    page = found[:limit]
    summaries = _summarise(engine, project_id, [conversation_id for conversation_id, _ in page])
    next_cursor = Cursor(page[-1][1], page[-1][0]).encode() if len(found) > limit else None
    return Page([summaries[name] for name, _ in page if name in summaries], next_cursor)


def _page(
    engine: Engine,
    project_id: str,
    where: TraceFilter,
    *,
    floor: int | None,
    limit: int,
    after: Cursor | None,
) -> list[tuple[str, int]]:
    """Return ids and last starts. A session's last start is the same in every search that reaches it."""
    parameters: dict[str, Any] = {"project_id": project_id, "limit": limit}
    bounds = members = conditions = ""
    if floor is not None:
        bounds = "AND start >= fromUnixTimestamp64Nano({floor:Int64}, 'UTC')"
        parameters["floor"] = floor
    if not is_timeless(where) or where.from_ns is not None or where.to_ns is not None:
        population = population_of(where)
        parameters |= population.parameters
        members = f"AND trace_id IN ({matching_traces(population)})"
    if after is not None:
        conditions = "AND (last_start, conversation_id) < ({cursor_start:Int64}, {cursor_id:String})"
        parameters |= {"cursor_start": after.start_ns, "cursor_id": after.row_id}
    rows = engine.read(
        statement("page_of_sessions"), parameters, bounds=bounds, members=members, conditions=conditions
    )
    return [(conversation_id, last_start) for conversation_id, last_start in rows]


def _summarise(engine: Engine, project_id: str, conversation_ids: list[str]) -> dict[str, SessionSummary]:
    if not conversation_ids:
        return {}
    members = statement("members_of_sessions").text()
    parameters = {"project_id": project_id, "conversation_ids": conversation_ids}
    first, last, _ = engine.read(statement("locate_sessions"), parameters, members=members)[0]
    rows = engine.read(
        statement("summarise_sessions"), {**parameters, "from": first, "to": last}, members=members
    )
    edges = sorted({trace_id for row in rows for trace_id in row[-2:]})
    traces = summarise(engine, project_id, edges, with_previews=True)
    return {row[0]: _session(row, traces) for row in rows}


def _session(row: tuple[Any, ...], traces: dict[str, TraceSummary]) -> SessionSummary:
    (
        conversation_id,
        user_ids,
        start,
        end,
        count,
        errors,
        tokens_in,
        tokens_out,
        cost,
        unpriced,
        models,
        *edges,
    ) = row
    first, last = (traces.get(trace_id) for trace_id in edges)
    return SessionSummary(
        conversation_id=conversation_id,
        user_ids=list(user_ids),
        start_ns=start,
        end_ns=end,
        trace_count=count,
        error_count=errors,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_usd=cost,
        unpriced_count=unpriced,
        models=list(models),
        input_preview=first.input_preview if first else "",
        output_preview=last.output_preview if last else "",
    )


def read_session(engine: Engine, project_id: str, conversation_id: str) -> list[TraceSummary]:
    """Read the traces of a session, earliest first."""
    rows = engine.read(
        statement("traces_of_session"), {"project_id": project_id, "conversation_id": conversation_id}
    )
    found = summarise(engine, project_id, [trace_id for (trace_id,) in rows], with_previews=True)
    return sorted(found.values(), key=lambda trace: (trace.start_ns, trace.trace_id))
