"""What tracing adds to a call: CPU with export included, and wall time, against the bare client.

    python benchmarks/sdk_overhead.py                       Spanwise and a span by hand, in this environment
    python benchmarks/sdk_overhead.py --peers DIRECTORY     and eight peers, each in an environment there
    python benchmarks/sdk_overhead.py --peers DIRECTORY --only spanwise openai-v2 --rows "openai chat"

An environment that is missing is made (``DIRECTORY/NAME``, by venv and pip, versions pinned); that takes some
minutes once. With all peers it runs for about ten minutes; ``--pairs`` makes it shorter.

Blocks of bare and of traced calls alternate in one process, so that both meet the same machine. The model
server and the OTLP receiver are another process. CPU is that of the whole process, the exporting thread and
the flush after each block included; wall is that of the calls. Intervals (95 %) are bootstrapped over pairs.
Each subject runs in a process of its own, with content captured, and how many of its spans arrived is said.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _overhead_statistics as statistics
from _overhead_calls import LONG_STREAM, OPENAI_ONLY, SHORT_STREAM, Calls, Row
from _overhead_patches import Patches
from _overhead_subjects import PACKAGES, PEERS, SUBJECTS, set_up

SERVERS = Path(__file__).with_name("sdk_overhead_servers.py")
CHUNK_ROW = "per stream chunk"
_WARM_UP_PAIRS = 2
_IMPORTS = 7


def run_subject(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures one subject in this process."""
    name, sink = arguments.subject, arguments.sink
    rows = [row for row in Calls(arguments.model).rows() if _is_wanted(row, name, arguments.rows)]
    for row in rows:
        row.run(False)
    patches = Patches()
    flush = set_up(name, sink)
    if not patches.take() and name != "by-hand":
        raise RuntimeError(f"{name} changed nothing about the clients")
    found: dict[str, Any] = {}
    for row in rows:
        before = received(sink)
        pairs = []
        for number in range(arguments.pairs + _WARM_UP_PAIRS):
            blocks: dict[bool, statistics.Block] = {}
            for is_traced in (False, True) if number % 2 else (True, False):
                patches.set(is_traced)
                run = _run_by_hand(row) if is_traced and name == "by-hand" else _run(row)
                blocks[is_traced] = statistics.measure(run, row.calls, flush if is_traced else None)
            pairs.append((blocks[False], blocks[True]))
        found[row.name] = statistics.summary(pairs[_WARM_UP_PAIRS:])
        found[row.name]["spans_a_call"] = (received(sink)["spans"] - before["spans"]) / row.calls / len(pairs)
    short, long = found.pop("short stream", None), found.pop("long stream", None)
    if short and long:
        found[CHUNK_ROW] = statistics.slope(short, long, LONG_STREAM - SHORT_STREAM)
    return found


def _run(row: Row) -> Any:
    return lambda: row.run(False)


def _run_by_hand(row: Row) -> Any:
    return lambda: row.run(True)


def _is_wanted(row: Row, subject: str, names: list[str] | None) -> bool:
    if subject in OPENAI_ONLY and row.provider != "openai":
        return False
    if not names:
        return True
    return row.name in names or (row.name in ("short stream", "long stream") and CHUNK_ROW in names)


def received(sink: str) -> dict[str, int]:
    """Returns what the OTLP receiver has counted."""
    with urllib.request.urlopen(sink, timeout=10) as answer:
        counted: dict[str, int] = json.load(answer)
        return counted


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Starts both servers; yields the URLs of the model and of the sink."""
    process = subprocess.Popen([sys.executable, str(SERVERS)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        model, sink = process.stdout.readline().split()
        yield f"http://127.0.0.1:{model}", f"http://127.0.0.1:{sink}"
    finally:
        process.kill()
        process.wait()


def python_of(name: str, directory: Path | None) -> str:
    """Returns the interpreter to run a subject with, and makes its environment if there is none."""
    if name not in PACKAGES or directory is None:
        return sys.executable
    python = directory / name / "bin" / "python"
    if not python.exists():
        print(f"making an environment for {name} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory / name)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES[name]], check=True)
    return str(python)


def run_in_process(name: str, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Runs one subject in a process of its own; returns what it measured, None when it cannot run."""
    # Nothing of this environment may leak into a peer's.
    environment = {
        key: value for key, value in os.environ.items() if name not in PACKAGES or key != "PYTHONPATH"
    }
    with servers() as (model, sink):
        command = [
            python_of(name, arguments.peers), __file__, "--subject", name, "--model", model, "--sink", sink,
            "--pairs", str(arguments.pairs), *(["--rows", *arguments.rows] if arguments.rows else []),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        print(f"{name} cannot run: {(done.stderr.strip().splitlines() or ['?'])[-1]}", flush=True)
        return None
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yields a table a row: subjects by their added CPU, and how Spanwise compares."""
    rows = list(dict.fromkeys(row for result in results.values() for row in result))
    for row in rows:
        by_cpu = sorted(
            (result[row]["added_cpu_us"]["mean"], name) for name, result in results.items() if row in result
        )
        yield f"\n{row}\n  {'':16}{'added CPU, us':>26}{'added wall, us':>26}{'CPU ratio':>24}{'spans':>7}"
        for _, name in by_cpu:
            found = results[name][row]
            digits = 2 if row == CHUNK_ROW else 0
            line = f"  {name:16}" + "".join(
                _interval(found[key], digits) for key in ("added_cpu_us", "added_wall_us")
            )
            if "ratio" in found:
                line += f"{_interval(found['ratio'], 3, 24)}{found['spans_a_call']:7.2f}"
            yield line
        yield from _verdict(row, {name: cpu for cpu, name in by_cpu})


def _interval(value: dict[str, float], digits: int, width: int = 26) -> str:
    text = f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
    return f"{text:>{width}}"


def _verdict(row: str, cpu: dict[str, float]) -> Iterator[str]:
    if "spanwise" not in cpu:
        return
    peers = {name: value for name, value in cpu.items() if name in PEERS}
    if peers:
        best = min(peers, key=lambda name: peers[name])
        yield f"  -> {cpu['spanwise'] / peers[best]:.2f} of the best peer ({best})"
    if "by-hand" in cpu and row != CHUNK_ROW:
        yield f"  -> {cpu['spanwise'] / cpu['by-hand']:.2f} of a span by hand"


def import_times() -> str:
    """Returns what importing and switching on takes beyond importing OpenTelemetry's SDK, in milliseconds."""
    sdk = "import opentelemetry.sdk.trace, opentelemetry.sdk.resources"
    ours = f"{sdk}; import spanwise; spanwise.instrument()"
    taken: dict[str, list[float]] = {sdk: [], ours: []}
    for _ in range(_IMPORTS):
        for code, times in taken.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            times.append((time.perf_counter() - began) * 1000)
    beyond = min(taken[ours]) - min(taken[sdk])
    return f"import spanwise and instrument(): {beyond:.0f} ms beyond importing opentelemetry-sdk"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20, help="pairs of bare and traced blocks a row")
    parser.add_argument("--peers", type=Path, metavar="DIRECTORY", help="where the peers' environments are")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, help="measure these subjects")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="measure these rows, named as in the tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    for internal in ("--subject", "--model", "--sink"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        print(json.dumps(run_subject(arguments)))
        return
    wanted = arguments.only or [name for name in SUBJECTS if arguments.peers or name not in PEERS]
    results = {}
    for name in wanted:
        began = time.monotonic()
        if (result := run_in_process(name, arguments)) is not None:
            results[name] = result
            print(f"{name}: measured in {time.monotonic() - began:.0f} s", flush=True)
    print("\n".join(report(results)))
    if not arguments.rows:
        print(f"\n{import_times()}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
