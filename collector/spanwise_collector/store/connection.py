"""The connections to the engine, embedded or a server, and the one function every statement goes through.

The same ``clickhouse-connect`` surface serves both. A connection runs one statement at a time, so that
several statements at once need several connections: they are opened when first needed and reused.
"""

import logging
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from prometheus_client import Histogram

from spanwise_collector.errors import BadRequest, Unavailable
from spanwise_collector.store.embedded import EmbeddedEngine
from spanwise_collector.store.failures import insert_failure, read_failure
from spanwise_collector.store.settings import StoreSettings
from spanwise_collector.store.statements import Statement

logger = logging.getLogger(__name__)

DEFAULT_DATABASE = "spanwise"
STATEMENT_SECONDS = Histogram(
    "spanwise_store_statement_seconds",
    "Wall time of the store's statements",
    ("statement", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_FAILURES = (clickhouse_connect.driver.exceptions.ClickHouseError, OSError, RuntimeError)

Rows = list[tuple[Any, ...]]


class Connections:
    """A bounded set of connections to one engine."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._embedded = EmbeddedEngine(settings) if settings.data_dir is not None else None
        self._database = _database_of(settings.clickhouse_url)
        self._idle: queue.LifoQueue[Client] = queue.LifoQueue()
        self._slots = threading.BoundedSemaphore(settings.connections)
        self._opened: list[Client] = []
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def is_embedded(self) -> bool:
        """Whether the engine lives in this process."""
        return self._embedded is not None

    def open(self) -> None:
        """Take the folder or reach the server, and create the database.

        Raises:
            Unavailable: The folder is another process's, or the server does not answer.
        """
        if self._embedded is not None:
            self._embedded.acquire()
        try:
            first = self._connect(database=None)
            try:
                first.command(f"CREATE DATABASE IF NOT EXISTS {self._database}")
            finally:
                first.close()
        except _FAILURES as error:
            self.close()
            raise Unavailable(
                f"the store at {self._place()} cannot be opened: {' '.join(str(error).split())}",
                fix="check that the place is right and reachable",
            ) from error

    def close(self) -> None:
        """Close every connection and give the folder back. Statements that still run are waited for."""
        with self._lock:
            self._is_closed = True
            opened, self._opened = self._opened, []
        for client in opened:
            client.close()
        if self._embedded is not None:
            self._embedded.release()

    @contextmanager
    def lease(self) -> Iterator[Client]:
        """Lend a connection for one statement.

        Raises:
            Unavailable: None came free in time, or the store is closed.
        """
        if not self._slots.acquire(timeout=self._settings.statement_timeout_s):
            raise Unavailable(
                f"all {self._settings.connections} connections to the store are busy", fix="try again"
            )
        try:
            client = self._take()
            try:
                yield client
            finally:
                self._idle.put(client)
        finally:
            self._slots.release()

    def _take(self) -> Client:
        with self._lock:
            if self._is_closed:
                raise Unavailable("the store is closed", fix="start the server again")
            try:
                return self._idle.get_nowait()
            except queue.Empty:
                client = self._connect(database=self._database)
                self._opened.append(client)
                return client

    def _connect(self, database: str | None) -> Client:
        if self._embedded is not None:
            return self._embedded.connect(database)
        return clickhouse_connect.get_client(
            dsn=self._settings.clickhouse_url,
            database=database or "default",
            # A session would make the server refuse two statements at once.
            autogenerate_session_id=False,
            send_receive_timeout=self._settings.statement_timeout_s + 10,
            connect_timeout=5,
        )

    def _place(self) -> str:
        if self._settings.data_dir is not None:
            return str(self._settings.data_dir)
        # The URL may hold a password.
        return str(self._settings.clickhouse_url).rpartition("@")[2]


def _database_of(url: str | None) -> str:
    """Return the database that a URL names in its path, or ours.

    Raises:
        BadRequest: The name is not an identifier; it enters a statement as it is.
    """
    name = urlsplit(url or "").path.strip("/") or DEFAULT_DATABASE
    if _IDENTIFIER.fullmatch(name) is None:
        raise BadRequest(
            f"database {name!r} in the ClickHouse URL is not a plain name",
            fix="use letters, digits and underscores",
        )
    return name


class Engine:
    """Runs statements with limits, a query id, a timing metric and errors that mean something."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.connections = Connections(settings)
        self._read_settings = {
            "readonly": 2,
            "max_execution_time": settings.statement_timeout_s,
            "max_memory_usage": settings.statement_memory_bytes,
            # A span's key decides its month, so two versions of one span are never in different partitions.
            "do_not_merge_across_partitions_select_final": 1,
        }
        self._write_settings = {
            # Late spans may lie in many months; the collector has refused those beyond retention.
            "max_partitions_per_insert_block": 0,
            # Collapsing duplicates within a batch is left to merges and FINAL: 20 us of CPU a row, not 26.
            "optimize_on_insert": 0,
        }

    def read(
        self,
        statement: Statement,
        parameters: Mapping[str, Any],
        *,
        is_by_key: bool = False,
        **fragments: str,
    ) -> Rows:
        """Run a query and return its rows.

        ``is_by_key`` says that all its conditions are on columns of the sorting key. Those may be checked
        before duplicates collapse, so that wide columns are read for the chosen rows only. On any other
        column that would let an old version of a span answer.
        """
        extra = {"optimize_move_to_prewhere_if_final": 1} if is_by_key else {}
        return list(self._query(statement, parameters, fragments, extra).result_rows)

    def read_columns(
        self, statement: Statement, parameters: Mapping[str, Any], **fragments: str
    ) -> list[list[Any]]:
        """Run a query and return its columns, which is the engine's own shape: for many rows."""
        return [list(column) for column in self._query(statement, parameters, fragments, {}).result_columns]

    def _query(
        self,
        statement: Statement,
        parameters: Mapping[str, Any],
        fragments: Mapping[str, str],
        extra: Mapping[str, Any],
    ) -> Any:  # the driver's QueryResult, which carries no types
        text = statement.text(**fragments)
        settings = {**self._read_settings, **extra, "query_id": f"spanwise-{statement.name}-{uuid.uuid4()}"}
        return self._timed(
            statement.name,
            lambda client: client.query(text, parameters=dict(parameters), settings=settings),
            lambda error: read_failure(error, statement.name),
        )

    def insert(self, table: str, columns: list[str], arrow_stream: bytes) -> None:
        """Insert an Arrow stream; it is durable on return.

        Raises:
            PoisonError: The rows can never be stored.
            Unavailable: The engine is in trouble; the same rows may succeed later.
        """
        self._timed(
            f"insert_{table}",
            lambda client: client.raw_insert(
                table, columns, arrow_stream, settings=self._write_settings, fmt="ArrowStream"
            ),
            insert_failure,
        )

    def write(self, statement: Statement, parameters: Mapping[str, Any]) -> None:
        """Run a statement of ours that writes rows."""
        self._timed(
            statement.name,
            lambda client: client.command(statement.text(), parameters=dict(parameters)),
            insert_failure,
        )

    def command(self, text: str, name: str) -> Any:
        """Run a statement of ours that changes the schema or asks for one value."""
        return self._timed(name, lambda client: client.command(text), lambda error: read_failure(error, name))

    def _timed(
        self, name: str, run: Callable[[Client], Any], translate: Callable[[Exception], Exception]
    ) -> Any:
        began = time.perf_counter()
        outcome = "ok"
        try:
            with self.connections.lease() as client:
                return run(client)
        except _FAILURES as error:
            outcome = "error"
            failure = translate(error)
            logger.warning("store statement %s: %s", name, failure)
            raise failure from error
        finally:
            STATEMENT_SECONDS.labels(name, outcome).observe(time.perf_counter() - began)
