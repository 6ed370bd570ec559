"""One process owns a data folder: a lock file that says who, released by the kernel when the owner dies."""

import fcntl
import os
from pathlib import Path

from spanwise_collector.errors import Unavailable


class FolderLock:
    """An exclusive lock on a folder. Its file tells the next one the process id of the owner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            Unavailable: Another process, or another store of this one, owns the folder.
        """
        descriptor = os.open(self.folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Unavailable(
                f"the data folder {self.folder} is owned by process {owner}: one process owns the folder",
                fix="talk to that server's address, stop it, or choose another --data-dir",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
