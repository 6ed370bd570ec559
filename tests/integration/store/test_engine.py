"""The embedded engine as a process sees it: one owner, schema history, death, durability settings, limits."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from spanwise_collector.errors import BadRequest, Conflict, Unavailable
from spanwise_collector.model import Span, TraceFilter
from spanwise_collector.store import Store, StoreSettings
from spanwise_collector.store.migrate import migrate, read_migrations

_WRITER = """
import sys
from pathlib import Path
from spanwise_collector.model import Span
from spanwise_collector.store import Store, StoreSettings

store = Store.open(StoreSettings(data_dir=Path(sys.argv[1]), fsync=sys.argv[2] == "fsync"))
for batch in range(10**6):
    store.insert_spans(
        [Span("p", f"{batch:032x}", f"{index:016x}", "n", 10**18 + index, 10**18 + 5, input_text="x" * 500)
         for index in range(50)]
    )
    print(batch, flush=True)
"""
_SECOND = """
import sys
from pathlib import Path
from spanwise_collector.store import Store, StoreSettings

Store.open(StoreSettings(data_dir=Path(sys.argv[1])))
"""


@pytest.fixture
def settings(tmp_path):
    return StoreSettings(data_dir=tmp_path / "data")


def _span(trace=1, span=1, **fields):
    return Span("p", f"{trace:032x}", f"{span:016x}", "n", 10**18 + span, 10**18 + span + 5, **fields)


@pytest.mark.parametrize("mode", ["plain", "fsync"])
def test_every_acknowledged_span_outlives_kill_9(settings, mode):
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(settings.data_dir), mode], stdout=subprocess.PIPE, text=True
    )
    acknowledged = [int(writer.stdout.readline()) for _ in range(8)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    with Store.open(settings) as store:
        for batch in acknowledged:
            assert len(store.read_trace("p", f"{batch:032x}")) == 50
        assert store.trace_totals("p", TraceFilter()).trace_count in (
            len(acknowledged),
            len(acknowledged) + 1,
        )


def test_a_second_process_is_told_who_owns_the_folder(settings):
    owner = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(settings.data_dir), "plain"], stdout=subprocess.PIPE, text=True
    )
    try:
        owner.stdout.readline()
        second = subprocess.run(
            [sys.executable, "-c", _SECOND, str(settings.data_dir)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1
        assert (
            f"Unavailable: the data folder {settings.data_dir} is owned by process {owner.pid}"
            in second.stderr
        )
    finally:
        owner.kill()
        owner.communicate()


def test_the_same_process_cannot_open_a_folder_twice_and_gets_it_back_after_closing(settings):
    with Store.open(settings) as store:
        store.insert_spans([_span()])
        with pytest.raises(Unavailable, match="one process owns the folder"):
            Store.open(settings)
        assert len(store.read_trace("p", f"{1:032x}")) == 1
    with Store.open(settings) as store:
        assert len(store.read_trace("p", f"{1:032x}")) == 1


def test_a_folder_that_cannot_be_used_is_named_with_the_fix(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(Unavailable, match=f"the data folder {file} cannot be used") as raised:
        Store.open(StoreSettings(data_dir=file))
    assert "--data-dir" in raised.value.fix


def test_migrations_are_applied_once_and_may_be_run_again(settings):
    with Store.open(settings) as store:
        store.insert_spans([_span()])
        assert migrate(store._engine) == []
    with Store.open(settings) as store:
        assert store.trace_totals("p", TraceFilter()).span_count == 1


def test_a_migration_cut_short_is_finished_by_the_next_start(settings):
    with Store.open(settings) as store:
        store._engine.command("DROP VIEW trace_times_from_spans", "test")
        store._engine.command("TRUNCATE TABLE schema_migrations", "test")
    with Store.open(settings) as store:
        store.insert_spans([_span()])
        assert len(store.read_trace("p", f"{1:032x}")) == 1


def test_an_edited_migration_is_refused(settings):
    with Store.open(settings) as store:
        edited = [replace(migration, text=migration.text + "\n-- edited") for migration in read_migrations()]
        with pytest.raises(Conflict, match="0001_create_spans was changed"):
            migrate(store._engine, edited)


def test_a_database_of_a_newer_version_is_refused(settings):
    with Store.open(settings) as store, pytest.raises(Conflict, match="0002_create_trace_times"):
        migrate(store._engine, read_migrations()[:1])


def test_fsync_and_retention_follow_the_settings_and_back(settings):
    def definition(**changes):
        with Store.open(replace(settings, **changes)) as store:
            row = store._engine.command("SHOW CREATE TABLE spans", "test")
            return str(row)

    plain = definition()
    assert " TTL " not in plain.replace("\\n", " ")
    kept = definition(fsync=True, retention_days=30)
    assert "fsync_after_insert = 1, fsync_part_directory = 1" in kept
    assert "toIntervalDay(30)" in kept
    assert "toIntervalDay(7)" in definition(retention_days=7)
    assert "toIntervalDay" not in definition()


def test_writers_and_readers_work_at_once(settings):
    with Store.open(replace(settings, connections=3)) as store, ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(store.insert_spans, [_span(n, m) for m in range(20)]) for n in range(1, 41)]
        reads = [pool.submit(store.list_traces, "p", TraceFilter()) for _ in range(20)]
        for future in writes + reads:
            future.result()
        assert store.trace_totals("p", TraceFilter()).span_count == 800


def test_closing_waits_for_what_runs_and_then_refuses(settings):
    store = Store.open(settings)
    store.insert_spans([_span(1, n) for n in range(1, 2000)])
    reader = threading.Thread(target=lambda: store.read_trace("p", f"{1:032x}"))
    reader.start()
    reader.join()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.ping()
    store.close()


def test_a_statement_beyond_its_limits_says_which_and_the_store_goes_on(settings):
    with Store.open(replace(settings, statement_memory_bytes=16 * 2**20)) as store:
        store.insert_spans([_span(1, n, input_text="x" * 20_000) for n in range(1, 2000)] + [_span(2, 1)])
        with pytest.raises(Unavailable, match="memory limit"):
            store.read_trace("p", f"{1:032x}")
        assert len(store.read_outline("p", f"{1:032x}")) == 1999


def test_twenty_thousand_spans_are_outlined_and_paged(settings):
    with Store.open(settings) as store:
        store.insert_spans(
            [_span(1, n, parent_span_id=f"{1:016x}" if n > 1 else "") for n in range(1, 20_001)]
        )
        outline = store.read_outline("p", f"{1:032x}")
        assert [row.span_id for row in outline] == [f"{n:016x}" for n in range(1, 20_001)]
        page = store.read_trace("p", f"{1:032x}", limit=100, after=f"{15_000:016x}")
        assert [span.span_id for span in page] == [f"{n:016x}" for n in range(15_001, 15_101)]


def test_a_wrong_password_a_wrong_port_and_a_wrong_name_are_told_without_the_password(http_server):
    port = http_server.rpartition(":")[2]
    with pytest.raises(Unavailable, match="Authentication failed") as refused:
        Store.open(StoreSettings(clickhouse_url=f"http://spanwise:hunter2@127.0.0.1:{port}"))
    assert "hunter2" not in str(refused.value)
    with pytest.raises(Unavailable, match="cannot be opened"):
        Store.open(StoreSettings(clickhouse_url="http://127.0.0.1:9"))
    with pytest.raises(BadRequest, match="not a plain name"):
        Store.open(StoreSettings(clickhouse_url=f"{http_server}/x`; DROP"))


def test_a_url_may_name_its_database(http_server):
    with Store.open(StoreSettings(clickhouse_url=f"{http_server}/team_a")) as store:
        store.insert_spans([_span()])
        assert store.trace_totals("p", TraceFilter()).span_count == 1
    with Store.open(StoreSettings(clickhouse_url=f"{http_server}/team_b")) as store:
        assert store.trace_totals("p", TraceFilter()).span_count == 0


@pytest.mark.parametrize(
    "fields", [{}, {"data_dir": "both", "clickhouse_url": "http://x"}, {"data_dir": "x", "retention_days": 0}]
)
def test_settings_that_contradict_themselves_are_refused(fields):
    with pytest.raises(BadRequest):
        StoreSettings(**fields)
