"""What an operator may change after the tables exist: how parts are written, how long they are kept.

Read from the tables and altered only where it differs, since each change is a mutation of metadata.
"""

from spanwise_collector.store.connection import Engine
from spanwise_collector.store.statements import statement

_RETAINED = {"spans": "start", "trace_times": "last_start", "scores": "time", "vectors": "received"}
# With these, an insert returns after its files and their folder are on the disk, and a merge after its own.
_FSYNC = ("fsync_after_insert", "fsync_part_directory", "min_rows_to_fsync_after_merge")


def apply_settings(engine: Engine) -> None:
    """Make the tables obey the store's ``fsync`` and ``retention_days``."""
    for table, definition in engine.read(statement("table_definitions"), {"tables": list(_RETAINED)}):
        _apply_fsync(engine, table, definition)
        _apply_retention(engine, table, definition)


def _apply_fsync(engine: Engine, table: str, definition: str) -> None:
    wanted = int(engine.settings.fsync)
    if wanted == int(f"{_FSYNC[0]} = 1" in definition):
        return
    changes = ", ".join(f"{name} = {wanted}" for name in _FSYNC)
    engine.command(f"ALTER TABLE {table} MODIFY SETTING {changes}", "upkeep")


def _apply_retention(engine: Engine, table: str, definition: str) -> None:
    days = engine.settings.retention_days
    column = _RETAINED[table]
    if days is None:
        if " TTL " in definition:
            engine.command(f"ALTER TABLE {table} REMOVE TTL", "upkeep")
    elif f"TTL toDateTime({column}) + toIntervalDay({days})" not in definition:
        # The number is an int of ours: DDL takes no bound parameters.
        engine.command(
            f"ALTER TABLE {table} MODIFY TTL toDateTime({column}) + toIntervalDay({days:d})", "upkeep"
        )
