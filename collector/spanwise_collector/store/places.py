"""Where in time traces lie, so that reading one touches its hours and not the whole table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanwise_collector.store.connection import Engine
from spanwise_collector.store.ids import trace_id_of
from spanwise_collector.store.statements import statement

NANOSECONDS_A_SECOND = 1_000_000_000
_HOUR_S = 3600
_MOST_HOURS = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """The first and the last start of a trace's spans, nanoseconds."""

    first_ns: int
    last_ns: int


def locate(engine: Engine, project_id: str, trace_ids: Sequence[str]) -> dict[str, Place]:
    """Find some traces; those that do not exist are absent.

    Raises:
        BadRequest: An id is not 32 hexadecimal digits.
    """
    if not trace_ids:
        return {}
    rows = engine.read(
        statement("locate_traces"),
        {"project_id": project_id, "trace_ids": [trace_id_of(trace_id) for trace_id in trace_ids]},
        traces=statement("trace_set").text(),
    )
    return {trace_id: Place(first, last) for trace_id, first, last in rows}


def range_of(engine: Engine, project_id: str) -> Place | None:
    """Find the first and last start of a whole project; ``None`` when it is empty."""
    first, last, count = engine.read(statement("project_range"), {"project_id": project_id})[0]
    return Place(first, last) if count else None


def hours_of(places: Iterable[Place]) -> tuple[str, dict[str, list[int]]]:
    """Return the condition that holds all spans of some traces, and its parameters.

    The hours of each, since traces of one page may lie months apart; one range when a trace spans very many.
    """
    found: set[int] = set()
    every = list(places)
    for place in every:
        first, last = place.first_ns // NANOSECONDS_A_SECOND, place.last_ns // NANOSECONDS_A_SECOND
        if len(found) + (last - first) // _HOUR_S > _MOST_HOURS:
            low, high = min(item.first_ns for item in every), max(item.last_ns for item in every)
            return statement("between_starts").text(), {"edges": [low, high]}
        found.update(range(first // _HOUR_S * _HOUR_S, last + 1, _HOUR_S))
    return statement("within_hours").text(), {"hours": sorted(found)}
