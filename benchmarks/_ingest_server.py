"""The server under test: a real ``spanwise serve`` process, what it costs, and what it leaves on the disk."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_PART = re.compile(r"(?P<partition>\w+?)_(?P<first>\d+)_(?P<last>\d+)_(?P<level>\d+)(?:_\d+)?")
_MAIN = "import sys; from spanwise.cli import main; sys.exit(main())"
QUIET_CORES = 0.04
"""Cores that a server without work may use while it counts as quiet."""


class Server:
    """One server over one data folder; it can be killed and started again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._log = data_dir.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    @property
    def pid(self) -> int:
        """The process that was started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Starts it; returns seconds from the start of the process to its first ``/readyz`` of 200.

        Raises:
            RuntimeError: It ended, or gave no answer within 60 s.
        """
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
        command = [sys.executable, "-c", _MAIN, "serve", "--port", str(self.port)]
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self._data_dir)], stdout=log, stderr=log, env=environment
            )
        while time.perf_counter() - began < 60:
            if self._process.poll() is not None:
                break
            try:
                self.get("/readyz")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.01)
            else:
                return time.perf_counter() - began
        raise RuntimeError(f"the server gave no answer: {self._log.read_text()[-3000:]}")

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """Ends it as a user does, by SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def get(self, path: str) -> Any:
        """Returns the decoded JSON answer of the API (of any shape, hence Any)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def cpu_seconds(self) -> float:
        """CPU of the process tree so far, user and system, children that have ended included."""
        return sum(_cpu_ticks(pid) for pid in _tree(self.pid)) / _TICKS

    def peak_memory_bytes(self) -> int:
        """Largest resident memory of each process of the tree, added up."""
        return sum(_status_kib(pid, "VmHWM") for pid in _tree(self.pid)) * 1024

    def wait_until_quiet(self, limit_s: float = 30.0) -> float:
        """Waits for the engine's background merges; returns the seconds waited.

        The engine merges when it sees fit and tells nobody outside its process. It is done when for two
        seconds no part of a table has appeared and the whole tree has used next to no CPU. Nothing is forced
        (no OPTIMIZE): what is measured is what a user's server does by itself.
        """
        began = time.perf_counter()
        parts, cpu = self.parts(), self.cpu_seconds()
        while time.perf_counter() - began < limit_s:
            time.sleep(2.0)
            parts_now, cpu_now = self.parts(), self.cpu_seconds()
            if parts_now == parts and cpu_now - cpu < QUIET_CORES * 2.0:
                break
            parts, cpu = parts_now, cpu_now
        return time.perf_counter() - began

    def parts(self) -> set[Path]:
        """Returns the folders of all parts of all tables, those already merged away included."""
        return {
            path
            for path in self._data_dir.glob("engine/store/*/*/*")
            if _PART.fullmatch(path.name) is not None
        }

    def disk(self) -> "Disk":
        """Returns what is on the disk now."""
        sizes = {part: size for part in self.parts() if (size := _allocated(part))}
        active = [part for part in sizes if not any(_covers(other, part) for other in sizes if other != part)]
        return Disk(sum(sizes[part] for part in active), sum(sizes.values()), len(active))


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes allocated on the disk."""

    active_bytes: int
    """Parts that hold the data. What was merged into them is deleted by the engine some minutes later."""
    all_bytes: int
    active_parts: int


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue  # it ended meanwhile; its parent has its CPU from then on
    return found


def _cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(ticks) for ticks in fields[11:15])  # utime, stime, cutime, cstime


def _status_kib(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)


def _allocated(part: Path) -> int:
    try:
        return sum(file.stat().st_blocks * 512 for file in part.rglob("*") if file.is_file())
    except FileNotFoundError:  # deleted while we looked
        return 0


def _covers(other: Path, part: Path) -> bool:
    """Tells whether ``other`` is the result of a merge that ``part`` went into."""
    if other.parent != part.parent:
        return False
    big, small = _PART.fullmatch(other.name), _PART.fullmatch(part.name)
    assert big is not None
    assert small is not None
    return (
        big["partition"] == small["partition"]
        and int(big["first"]) <= int(small["first"])
        and int(small["last"]) <= int(big["last"])
        and int(big["level"]) > int(small["level"])
    )
