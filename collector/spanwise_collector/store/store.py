"""The store: typed methods over the tables, the only door to them for the rest of the program.

Everything here blocks; callers on an event loop use a worker thread. All methods may be called from several
threads at once.
"""

from collections.abc import Sequence
from types import TracebackType

from spanwise_collector.model import (
    FacetValue,
    HistogramBucket,
    Page,
    Score,
    ScoreFilter,
    SessionSummary,
    Span,
    SpanOutline,
    Totals,
    TraceFilter,
    TraceSummary,
    Vector,
)
from spanwise_collector.store import facets, sessions, totals, traces
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.insert import insert_spans
from spanwise_collector.store.migrate import migrate
from spanwise_collector.store.scores import MAX_SCORES, insert_scores, read_scores
from spanwise_collector.store.settings import StoreSettings
from spanwise_collector.store.statements import statement
from spanwise_collector.store.upkeep import apply_settings
from spanwise_collector.store.vectors import insert_vectors, read_vectors


class Store:
    """An open, migrated store. ``project_id`` bounds every method: no call reads across projects."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, settings: StoreSettings) -> "Store":
        """Open the engine and bring its schema up to date.

        Raises:
            Unavailable: The folder belongs to another process, or the server does not answer.
            Conflict: The database was written by a newer version, or its schema does not match its history.
        """
        engine = Engine(settings)
        engine.connections.open()
        try:
            migrate(engine)
            apply_settings(engine)
        except BaseException:
            engine.connections.close()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close the connections and give the data folder back."""
        self._engine.connections.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ping(self) -> None:
        """Ask the engine for an answer.

        Raises:
            Unavailable: It gave none.
        """
        self._engine.read(statement("ping"), {})

    def insert_spans(self, spans: Sequence[Span]) -> None:
        """Store spans; they are durable on return, and sending them again changes no number.

        Raises:
            PoisonError: A row can never be stored; nothing is known about the others, split and try again.
            Unavailable: The engine is in trouble; the same batch may succeed later.
        """
        insert_spans(self._engine, spans)

    def insert_scores(self, scores: Sequence[Score]) -> None:
        """Store scores; they are durable on return, and sending them again changes no number.

        Raises:
            PoisonError: A score can never be stored.
            Unavailable: The engine is in trouble; the same batch may succeed later.
        """
        insert_scores(self._engine, scores)

    def read_scores(self, project_id: str, where: ScoreFilter, *, limit: int = MAX_SCORES) -> list[Score]:
        """Read scores, newest first.

        Raises:
            BadRequest: An id or the limit is not valid.
        """
        return read_scores(self._engine, project_id, where, limit=limit)

    def insert_vectors(self, vectors: Sequence[Vector]) -> None:
        """Store vectors; they are durable on return, and sending them again changes nothing.

        Raises:
            PoisonError: A vector can never be stored.
            Unavailable: The engine is in trouble; the same batch may succeed later.
        """
        insert_vectors(self._engine, vectors)

    def read_vectors(
        self,
        project_id: str,
        embedder: str,
        *,
        from_ns: int = 0,
        to_ns: int | None = None,
        limit: int = 10_000,
    ) -> list[Vector]:
        """Read the vectors of an embedder (``model/dimensions``) that came last in a range, newest first."""
        return read_vectors(self._engine, project_id, embedder, from_ns=from_ns, to_ns=to_ns, limit=limit)

    def list_traces(
        self, project_id: str, where: TraceFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[TraceSummary]:
        """List matching traces, newest first.

        Raises:
            BadRequest: The cursor or the limit is not valid.
            Unavailable: The engine failed or hit a limit.
        """
        return traces.list_traces(self._engine, project_id, where, limit=limit, cursor=cursor)

    def read_trace(
        self, project_id: str, trace_id: str, *, limit: int | None = None, after: str | None = None
    ) -> list[Span]:
        """Read the spans of a trace in order of start; empty when the trace is unknown.

        ``after`` is the id of the last span of the page before.
        """
        return traces.read_trace(self._engine, project_id, trace_id, limit=limit, after=after)

    def read_outline(self, project_id: str, trace_id: str) -> list[SpanOutline]:
        """Read what a tree shows of each span of a trace, in order of start."""
        return traces.read_outline(self._engine, project_id, trace_id)

    def read_span(self, project_id: str, trace_id: str, span_id: str) -> Span | None:
        """Read one span with its payload; ``None`` when it is not stored."""
        return traces.read_span(self._engine, project_id, trace_id, span_id)

    def trace_histogram(
        self, project_id: str, where: TraceFilter, *, buckets: int = 72
    ) -> list[HistogramBucket]:
        """Count matching traces by start, in about ``buckets`` buckets of one round width, empty ones too.

        The range is the filter's, or else the project's; the list is empty when the project is.
        """
        return totals.trace_histogram(self._engine, project_id, where, buckets=buckets)

    def trace_totals(self, project_id: str, where: TraceFilter) -> Totals:
        """Sum over all traces that match."""
        return totals.trace_totals(self._engine, project_id, where)

    def facets(self, project_id: str, where: TraceFilter, *, limit: int = 12) -> dict[str, list[FacetValue]]:
        """Return the most frequent values of each facet with their number of traces.

        Keys are those of ``facets.FACETS``, named like the conditions of ``TraceFilter``. A facet's counts
        obey all conditions but its own.
        """
        return facets.facets(self._engine, project_id, where, limit=limit)

    def list_sessions(
        self, project_id: str, where: TraceFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[SessionSummary]:
        """List the conversations that have a matching trace, latest activity first.

        Raises:
            BadRequest: The cursor or the limit is not valid.
        """
        return sessions.list_sessions(self._engine, project_id, where, limit=limit, cursor=cursor)

    def read_session(self, project_id: str, conversation_id: str) -> list[TraceSummary]:
        """Read the traces of a conversation, earliest first; empty when it is unknown."""
        return sessions.read_session(self._engine, project_id, conversation_id)
