"""Where the store's data lives and how carefully it is written."""

from dataclasses import dataclass
from pathlib import Path

from spanwise_collector.errors import BadRequest

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Settings of a store. Exactly one of ``data_dir`` and ``clickhouse_url`` must be given.

    ``fsync`` makes an acknowledged insert survive a power loss; without it, it survives the death of the
    process. ``retention_days`` of ``None`` keeps spans for ever. Memory is a bound in bytes: of the whole
    embedded engine, and of one statement on any engine.
    """

    data_dir: Path | None = None
    clickhouse_url: str | None = None
    fsync: bool = False
    retention_days: int | None = None
    connections: int = 8
    """How many statements run at once; others wait for one to finish."""
    statement_timeout_s: int = 30
    statement_memory_bytes: int = 1024 * MEBIBYTE
    engine_memory_bytes: int | None = None
    """``None``: half of the machine's memory."""
    is_replicated: bool = False
    """True where the database has the ``Replicated`` engine: tables become replicated ones."""

    def __post_init__(self) -> None:
        """Check what a typing error could break.

        Raises:
            BadRequest: Not exactly one place was given, or a number is out of range.
        """
        if (self.data_dir is None) == (self.clickhouse_url is None):
            raise BadRequest(
                f"the store needs one place, got data_dir={self.data_dir!r} and "
                f"clickhouse_url={self.clickhouse_url!r}",
                fix="give exactly one of the two",
            )
        if self.retention_days is not None and self.retention_days < 1:
            raise BadRequest(
                f"retention_days is {self.retention_days}", fix="give at least 1, or leave it out"
            )
        if self.connections < 1:
            raise BadRequest(f"connections is {self.connections}", fix="give at least 1")
