"""The embedded engine: ClickHouse in this process, its folder, and a configuration for small machines."""

import os
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from spanwise_collector.errors import Unavailable
from spanwise_collector.store.lock import FolderLock
from spanwise_collector.store.settings import MEBIBYTE, StoreSettings

# The engine's defaults assume a server of its own. System logs are off in it already.
_CONFIGURATION = """<clickhouse>
  <!-- Half of the machine unless told otherwise: the application beside us needs some too. -->
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <!-- 5 GiB each by default. -->
  <mark_cache_size>{cache}</mark_cache_size>
  <index_mark_cache_size>{cache}</index_mark_cache_size>
  <primary_index_cache_size>{cache}</primary_index_cache_size>
  <!-- Merges of wide rows hold blocks of text: at most half of the engine's memory. -->
  <merges_mutations_memory_usage_soft_limit>{merges}</merges_mutations_memory_usage_soft_limit>
  <background_pool_size>2</background_pool_size>
  <!-- Columns of text leave the codec to the engine: the first of these for what was just inserted, which is
       soon written again, the second for every merged part. -->
  <compression>
    <case>
      <min_part_size>0</min_part_size>
      <min_part_size_ratio>0</min_part_size_ratio>
      <method>zstd</method>
      <level>1</level>
    </case>
    <case>
      <min_part_size>1</min_part_size>
      <min_part_size_ratio>0</min_part_size_ratio>
      <method>zstd</method>
      <level>3</level>
    </case>
  </compression>
</clickhouse>
"""


class EmbeddedEngine:
    """The folder of an embedded engine: locked, configured, connected to."""

    def __init__(self, settings: StoreSettings) -> None:
        assert settings.data_dir is not None  # noqa: S101 - the caller chose this engine by it
        self._settings = settings
        self._folder = settings.data_dir.expanduser().resolve()
        self._lock = FolderLock(self._folder)

    def acquire(self) -> None:
        """Create the folder, lock it and write the engine's configuration.

        Raises:
            Unavailable: Another process owns the folder, or it cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
            self._write_configuration()
        except OSError as error:
            self._lock.release()
            raise Unavailable(
                f"the data folder {self._folder} cannot be used: {error.strerror or error}",
                fix="choose a folder that this user may write: --data-dir FOLDER",
            ) from error

    def _write_configuration(self) -> None:
        memory = self._settings.engine_memory_bytes or _half_of_memory()
        self._configuration().write_text(
            _CONFIGURATION.format(memory=memory, merges=memory // 2, cache=min(256 * MEBIBYTE, memory // 8)),
            "utf-8",
        )

    def release(self) -> None:
        """Give the folder back."""
        self._lock.release()

    def connect(self, database: str | None) -> Client:
        """Open one more handle to the engine, starting it with the first."""
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(self._folder / "engine"),
            database=database or "default",
            chdb_options={"config-file": str(self._configuration())},
        )

    def _configuration(self) -> Path:
        return self._folder / "engine.xml"


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
