"""Facets: the most frequent values of what a list can be filtered by, and how many traces have them.

The counts of a facet obey all other conditions of the filter but not the facet's own, so that a person who
chose one value sees what another would give.
"""

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import FacetValue, TraceFilter
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.filters import TRACE_STATUS, matching_traces, members_of, population_of, without
from spanwise_collector.store.statements import statement

MOST_VALUES = 1000
# Facets that are one column of a span, by the name of their condition in a TraceFilter.
_COLUMNS = ("service", "environment", "name", "operation", "provider", "model", "prompt_name", "user_id")
FACETS = ("status", *_COLUMNS, "tag", "score")

Facets = dict[str, list[FacetValue]]


def facets(engine: Engine, project_id: str, where: TraceFilter, *, limit: int) -> Facets:
    """Return every facet, its most frequent values first."""
    if not 1 <= limit <= MOST_VALUES:
        raise BadRequest(f"limit is {limit}", fix=f"give 1 to {MOST_VALUES}")
    found: Facets = {name: [] for name in FACETS}
    free = [name for name in _COLUMNS if not getattr(where, name)]
    groups = [(free, where)] if free else []
    groups += [([name], without(where, name)) for name in _COLUMNS if name not in free]
    for names, condition in groups:
        found |= _columns(engine, project_id, condition, names, limit)
    found["tag"] = _tags(engine, project_id, without(where, "tag"), limit)
    found["score"] = _scores(engine, project_id, without(where, "score"), limit)
    found["status"] = _status(engine, project_id, without(where, "status"))
    return found


def _columns(engine: Engine, project_id: str, where: TraceFilter, names: list[str], limit: int) -> Facets:
    population = population_of(where)
    rows = engine.read(
        statement("facet_columns"),
        {"project_id": project_id, "limit": limit, **population.parameters},
        columns=", ".join(names),
        texts=", ".join(f"toString({name})" for name in names),
        sets=", ".join(f"({name})" for name in names),
        bounds=population.bound_text(),
        members=members_of(where, population),
    )
    # GROUPING's bits are those of the columns that were grouped away, the first column the highest.
    every = (1 << len(names)) - 1
    bits = {every ^ (1 << (len(names) - 1 - index)): name for index, name in enumerate(names)}
    found: Facets = {name: [] for name in names}
    for which, value, traces in rows:
        found[bits[which]].append(FacetValue(value, traces))
    return found


def _tags(engine: Engine, project_id: str, where: TraceFilter, limit: int) -> list[FacetValue]:
    population = population_of(where)
    rows = engine.read(
        statement("facet_tags"),
        {"project_id": project_id, "limit": limit, **population.parameters},
        bounds=population.bound_text(),
        members=members_of(where, population),
    )
    return [FacetValue(value, traces) for value, traces in rows]


def _scores(engine: Engine, project_id: str, where: TraceFilter, limit: int) -> list[FacetValue]:
    if not engine.read(statement("has_scores"), {"project_id": project_id}):
        return []
    population = population_of(where)
    rows = engine.read(
        statement("facet_scores"),
        {"project_id": project_id, "limit": limit, **population.parameters},
        traces=matching_traces(population),
    )
    return [FacetValue(value, traces) for value, traces in rows]


def _status(engine: Engine, project_id: str, where: TraceFilter) -> list[FacetValue]:
    population = population_of(where)
    rows = engine.read(
        statement("facet_status"),
        {"project_id": project_id, **population.parameters},
        status=TRACE_STATUS,
        bounds=population.bound_text(),
        conditions=population.group_text(),
    )
    return [FacetValue(value, traces) for value, traces in rows]
