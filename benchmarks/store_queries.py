"""Times the store's queries over a million spans: lists, sums, facets, sessions, one trace.

    python benchmarks/store_queries.py [--spans 1000000] [--folder KEEP] [--json FILE]

Builds the spans in a temporary folder (or in ``--folder``, which is kept and used again), inside the engine,
with text of production-like length and several parts that merges have not joined. Every figure is the median
of the runs after the first; the first, with cold caches, stands beside it. Prints a table.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanwise_collector.model import TraceFilter
from spanwise_collector.store import Store, StoreSettings

DAY_NS = 86_400 * 10**9
SPANS_A_TRACE = 7
ROWS_AN_INSERT = 20_000
PROJECT = "default"
WORDS = (
    "the of retrieval answer user context embedding customer invoice order refund shipping policy question "
    "document search result model token price week please explain summary describe account password reset "
    "error timeout contact number address country language translation contract delivery warranty schedule"
)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one query."""

    name: str
    first_ms: float
    median_ms: float
    slowest_ms: float


def build(store: Store, spans: int) -> None:
    """Fill an empty store with a month of spans, the newest ending now."""
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    base = time.time_ns() - 30 * DAY_NS
    step = 30 * DAY_NS * SPANS_A_TRACE // spans
    with store._engine.connections.lease() as client:
        for first in range(0, spans, ROWS_AN_INSERT):
            count = min(ROWS_AN_INSERT, spans - first)
            client.command(
                text,
                parameters={
                    "first": first,
                    "count": count,
                    "base": base,
                    "step_ns": step,
                    "words": WORDS.split(),
                },
            )


def measure(name: str, run: Callable[[], Any], runs: int = 9) -> Timing:
    """Time a query: the first run apart, the median and the slowest of the others."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1e3)
    return Timing(name, times[0], statistics.median(times[1:]), max(times[1:]))


def queries(store: Store) -> dict[str, Callable[[], Any]]:
    """Return the queries by the name of their row."""
    now = time.time_ns()
    first = store.list_traces(PROJECT, TraceFilter())
    newest = first.items[0].trace_id
    day, week = TraceFilter(from_ns=now - DAY_NS), TraceFilter(from_ns=now - 7 * DAY_NS)

    def traces(**where: Any) -> Callable[[], Any]:
        return lambda: store.list_traces(PROJECT, TraceFilter(**where))

    return {
        "list, no filter": traces(),
        "list, second page": lambda: store.list_traces(PROJECT, TraceFilter(), cursor=first.next_cursor),
        "list, service": traces(service="search-api"),
        "list, model": traces(model="gpt-4o"),
        "list, status error": traces(status="error"),
        "list, minimum cost": traces(min_cost_usd=0.01),
        "list, one user of 5,000": traces(user_id="user-77"),
        "list, one conversation": traces(conversation_id="conversation-777"),
        "list, nothing matches": traces(name="nothing"),
        "list, a past day": traces(from_ns=now - 9 * DAY_NS, to_ns=now - 8 * DAY_NS),
        "list, text within a day": traces(q="refund shipping", from_ns=now - DAY_NS),
        "list, text not there, within a day": traces(q="zebra", from_ns=now - DAY_NS),
        "list, text not there, anywhere": traces(q="zebra"),
        "totals, everything": lambda: store.trace_totals(PROJECT, TraceFilter()),
        "totals, a week": lambda: store.trace_totals(PROJECT, week),
        "histogram, everything": lambda: store.trace_histogram(PROJECT, TraceFilter()),
        "histogram, a day": lambda: store.trace_histogram(PROJECT, day),
        "facets, everything": lambda: store.facets(PROJECT, TraceFilter()),
        "facets, a day": lambda: store.facets(PROJECT, day),
        "sessions, no filter": lambda: store.list_sessions(PROJECT, TraceFilter()),
        "one session": lambda: store.read_session(PROJECT, "conversation-777"),
        "one trace, whole": lambda: store.read_trace(PROJECT, newest),
        "one trace, outline": lambda: store.read_outline(PROJECT, newest),
    }


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the store here and use it again")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="spanwise-bench-") as temporary,
        Store.open(StoreSettings(data_dir=options.folder or Path(temporary))) as store,
    ):
        if not store.list_traces(PROJECT, TraceFilter(), limit=1).items:
            began = time.perf_counter()
            build(store, options.spans)
            print(f"built {options.spans:,} spans in {time.perf_counter() - began:.0f} s")
        timings = [measure(name, run) for name, run in queries(store).items()]
    print(f"{'query':38}{'first ms':>10}{'median ms':>11}{'slowest ms':>12}")
    for timing in timings:
        print(f"{timing.name:38}{timing.first_ms:10.0f}{timing.median_ms:11.0f}{timing.slowest_ms:12.0f}")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(timing) for timing in timings], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
