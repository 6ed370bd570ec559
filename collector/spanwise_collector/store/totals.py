"""Numbers over all traces of a filter: sums, the histogram over time."""

from decimal import Decimal

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import HistogramBucket, Totals, TraceFilter
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.filters import members_of, population_of
from spanwise_collector.store.places import NANOSECONDS_A_SECOND, range_of
from spanwise_collector.store.statements import statement

ZERO_USD = Decimal(0)
_MOST_BUCKETS = 2000
_MILLISECOND = NANOSECONDS_A_SECOND // 1000
_MINUTE, _HOUR, _DAY = 60 * NANOSECONDS_A_SECOND, 3600 * NANOSECONDS_A_SECOND, 86400 * NANOSECONDS_A_SECOND
# Widths a person can read on an axis; their multiples begin at round times of day, UTC.
_WIDTHS = (
    *(n * _MILLISECOND for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(n * NANOSECONDS_A_SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)


def trace_totals(engine: Engine, project_id: str, where: TraceFilter) -> Totals:
    """Sum over all traces that match."""
    found = population_of(where)
    rows = engine.read(
        statement("total_traces"),
        {"project_id": project_id, **found.parameters},
        bounds=found.bound_text(),
        members=members_of(where, found),
    )
    traces, errors, spans, tokens_in, tokens_out, cached, reasoning, cost, unpriced, is_estimated = rows[0]
    return Totals(
        trace_count=traces,
        error_count=errors,
        span_count=spans,
        input_tokens=tokens_in or 0,
        output_tokens=tokens_out or 0,
        cached_input_tokens=cached or 0,
        reasoning_output_tokens=reasoning or 0,
        cost_usd=cost or ZERO_USD,
        unpriced_count=unpriced,
        is_estimated=bool(is_estimated),
    )


def trace_histogram(
    engine: Engine, project_id: str, where: TraceFilter, *, buckets: int
) -> list[HistogramBucket]:
    """Count matching traces by start, in at most ``buckets`` + 1 buckets of a round width, empty ones too."""
    if not 1 <= buckets <= _MOST_BUCKETS:
        raise BadRequest(f"buckets is {buckets}", fix=f"give 1 to {_MOST_BUCKETS}")
    edges = _range_of(engine, project_id, where)
    if edges is None:
        return []
    first_ns, last_ns = edges
    width = _width(last_ns - first_ns, buckets)
    origin = first_ns // width * width
    found = population_of(where)
    rows = engine.read(
        statement("histogram_traces"),
        {"project_id": project_id, "origin": origin, "width": width, **found.parameters},
        bounds=found.bound_text(),
        conditions=found.group_text(),
    )
    counts = {bucket: (traces, errors) for bucket, traces, errors in rows}
    return [
        HistogramBucket(origin + bucket * width, *counts.get(bucket, (0, 0)))
        for bucket in range((last_ns - origin) // width + 1)
    ]


def _range_of(engine: Engine, project_id: str, where: TraceFilter) -> tuple[int, int] | None:
    """Return the first and last nanosecond to draw: the filter's, else the project's."""
    everything = range_of(engine, project_id)
    if everything is None:
        return None
    first_ns = everything.first_ns if where.from_ns is None else where.from_ns
    last_ns = everything.last_ns if where.to_ns is None else where.to_ns - 1
    return (first_ns, last_ns) if first_ns <= last_ns else None


def _width(length_ns: int, buckets: int) -> int:
    return next((width for width in _WIDTHS if width * buckets > length_ns), length_ns // buckets + 1)
