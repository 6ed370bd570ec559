"""Traces: the list, one trace, its outline, one span. Ids first, payload later."""

import time
from collections.abc import Iterator
from typing import Any

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import Page, Span, SpanOutline, TraceFilter, TraceSummary
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.cursors import Cursor, decode_cursor
from spanwise_collector.store.filters import Conditions, began_before, conditions_of
from spanwise_collector.store.ids import span_id_of, trace_id_of
from spanwise_collector.store.places import NANOSECONDS_A_SECOND, Place, hours_of, locate, range_of
from spanwise_collector.store.rows import spans_from_columns
from spanwise_collector.store.statements import statement
from spanwise_collector.store.summaries import summarise

MAX_PAGE = 1000
_NO_LIMIT = 2**63 - 1
_HOUR_NS = 3600 * NANOSECONDS_A_SECOND
# A page of the newest traces needs the newest spans only: look back an hour, and on while it is not full.
# Measured over a million spans: an hour costs 4 ms, a day 6 ms, everything 55 ms.
_LOOK_BACKS_NS = (_HOUR_NS, 24 * _HOUR_NS, 30 * 24 * _HOUR_NS)


def check_limit(limit: int) -> None:
    """Check the size of a page.

    Raises:
        BadRequest: It is not between 1 and 1000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise BadRequest(f"limit is {limit}", fix=f"give 1 to {MAX_PAGE}")


def list_traces(
    engine: Engine, project_id: str, where: TraceFilter, *, limit: int, cursor: str | None
) -> Page[TraceSummary]:
    """List the newest traces that match, ``limit`` a page."""
    check_limit(limit)
    found = _matching(engine, project_id, where, limit + 1, None if cursor is None else decode_cursor(cursor))
    page = found[:limit]
    summaries = summarise(engine, project_id, [trace_id for trace_id, _ in page], with_previews=True)
    next_cursor = Cursor(page[-1][1], page[-1][0]).encode() if len(found) > limit else None
    return Page([summaries[trace_id] for trace_id, _ in page if trace_id in summaries], next_cursor)


def _matching(
    engine: Engine, project_id: str, where: TraceFilter, wanted: int, after: Cursor | None
) -> list[tuple[str, int]]:
    """Return the ids and starts of the newest matching traces after a cursor."""
    conditions = _conditions_of_page(where, after)
    ceiling = conditions.parameters.get("ceiling")
    found: list[tuple[str, int]] = []
    for floor in look_backs(engine, project_id, where.from_ns, ceiling):
        found = _matching_since(engine, project_id, conditions, floor, wanted)
        if len(found) >= wanted:
            break
    return found


def look_backs(
    engine: Engine, project_id: str, from_ns: int | None, ceiling: int | None
) -> Iterator[int | None]:
    """Give ever earlier starts to search from; the last is the filter's own, ``None`` without one.

    Ends early when a search has covered all there is: an empty or young project costs one look.
    """
    top = time.time_ns() if ceiling is None else ceiling
    lowest = from_ns or 0
    everything: Place | None = None
    for look_back in _LOOK_BACKS_NS:
        floor = top - look_back
        if floor - lowest < look_back:
            break  # what is left is no more than what this search would read
        yield floor
        everything = everything or range_of(engine, project_id)
        if everything is None or floor <= everything.first_ns:
            return
        lowest = max(lowest, everything.first_ns)
    yield from_ns


def _conditions_of_page(where: TraceFilter, after: Cursor | None) -> Conditions:
    found = conditions_of(where)
    edges = [
        edge for edge in (where.to_ns, None if after is None else after.start_ns + 1) if edge is not None
    ]
    if edges:
        found.parameters["ceiling"] = min(edges)
        # Later spans of a trace matter to its conditions only, not to its start.
        bound = "start < fromUnixTimestamp64Nano({ceiling:Int64}, 'UTC')"
        found.bounds.append(began_before("{ceiling:Int64}") if found.groups else bound)
        found.groups.append("first_start < {ceiling:Int64}")
    if after is not None:
        found.groups.append(
            "(first_start, trace_id) < ({cursor_start:Int64}, toFixedString(unhex({cursor_id:String}), 16))"
        )
        found.parameters |= {"cursor_start": after.start_ns, "cursor_id": trace_id_of(after.row_id)}
    return found


def _matching_since(
    engine: Engine, project_id: str, conditions: Conditions, floor: int | None, wanted: int
) -> list[tuple[str, int]]:
    """Search the spans since ``floor``; traces that began before it are left to a longer search."""
    bounds = conditions.bound_text()
    parameters = {"project_id": project_id, **conditions.parameters}
    if floor is not None:
        bounds += " AND start >= fromUnixTimestamp64Nano({floor:Int64}, 'UTC')"
        parameters["floor"] = floor
    limit = wanted
    while True:
        rows = engine.read(
            statement("page_of_traces"),
            {**parameters, "limit": limit},
            bounds=bounds,
            conditions=conditions.group_text(),
        )
        if floor is None:
            return [(trace_id, start) for trace_id, start in rows]
        places = locate(engine, project_id, [trace_id for trace_id, _ in rows])
        found = [(trace_id, start) for trace_id, start in rows if _began_since(places.get(trace_id), floor)]
        if len(found) >= wanted or len(rows) < limit:
            return found[:wanted]
        limit *= 4


def _began_since(place: Place | None, floor: int) -> bool:
    return place is None or place.first_ns >= floor


def read_trace(
    engine: Engine, project_id: str, trace_id: str, *, limit: int | None, after: str | None
) -> list[Span]:
    """Read a trace's spans in order of start; ``after`` is the id of the last span of the page before."""
    conditions, parameters = "", {}
    if after is not None:
        conditions, parameters = statement("after_span").source, {"after": span_id_of(after)}
    return _read_spans(
        engine, project_id, trace_id, conditions, parameters, _NO_LIMIT if limit is None else limit
    )


def read_span(engine: Engine, project_id: str, trace_id: str, span_id: str) -> Span | None:
    """Read one span, or ``None`` if it is not stored."""
    parameters = {"span_id": span_id_of(span_id)}
    found = _read_spans(engine, project_id, trace_id, statement("one_span").source, parameters, 1)
    return found[0] if found else None


def _read_spans(
    engine: Engine, project_id: str, trace_id: str, conditions: str, parameters: dict[str, Any], limit: int
) -> list[Span]:
    place = _place_of(engine, project_id, trace_id)
    if place is None:
        return []
    bounds, hours = hours_of([place])
    columns = engine.read_columns(
        statement("read_spans"),
        {"project_id": project_id, "trace_id": trace_id.lower(), "limit": limit, **hours, **parameters},
        bounds=bounds,
        conditions=conditions.replace("${bounds}", bounds),
    )
    return spans_from_columns(columns)


def read_outline(engine: Engine, project_id: str, trace_id: str) -> list[SpanOutline]:
    """Read what a tree shows of every span of a trace, in order of start."""
    place = _place_of(engine, project_id, trace_id)
    if place is None:
        return []
    bounds, hours = hours_of([place])
    columns = engine.read_columns(
        statement("outline_trace"),
        {"project_id": project_id, "trace_id": trace_id.lower(), **hours},
        bounds=bounds,
    )
    return list(map(SpanOutline, *columns)) if columns else []


def _place_of(engine: Engine, project_id: str, trace_id: str) -> Place | None:
    return locate(engine, project_id, [trace_id]).get(trace_id.lower())
