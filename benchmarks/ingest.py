"""How many spans a second of CPU the server makes durable, what they take on disk, and whether they survive.

    python benchmarks/ingest.py [--requests 48] [--senders 4] [--json FILE]

A real ``spanwise serve`` with its defaults, on an empty folder. Senders in processes of their own post OTLP
requests that were encoded before: 512 chat spans each, every span with 20 attributes and 2.2 kB of real text
that no other span has (see ``_ingest_texts``). CPU is user and system time of the server's process tree, from
before the first request until the engine's background merges are done (see ``_ingest_server``). Protobuf and
gzip have as many requests each and alternate, ABBA, since a merge falls on whoever sends when it is due.

In the same run the server is killed by SIGKILL right after the last 200 of a burst and started again on its
folder: the API must list every acknowledged span, and still each once after the last request is sent again.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from _ingest_requests import Request, Requests
from _ingest_senders import Sending, send
from _ingest_server import Server
from _ingest_texts import bodies_of_text, read_texts

SPANS = 512
"""Spans in a request: the batch size of OpenTelemetry's exporters."""
TEXT_BYTES = 2200
WARM_UP = 4
BURST = 12
STARTS = 5


@dataclass(frozen=True, slots=True)
class Phase:
    """What one load cost."""

    spans: int
    wall_s: float
    cpu_s: float
    """Until merges were done."""
    sending_cpu_s: float
    """The part of it until the last answer."""
    latencies_s: tuple[float, ...]
    """Of each request, ascending."""
    other_cores: float
    """Cores that everything else on the machine used meanwhile, the senders included."""


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=48, help="requests of each encoding")
    parser.add_argument("--senders", type=int, default=4, help="senders at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    source = Requests(bodies_of_text(read_texts(), TEXT_BYTES, chance), chance)
    with tempfile.TemporaryDirectory(prefix="spanwise-ingest-") as folder:
        figures = _run(Server(Path(folder) / "data"), source, options.requests, options.senders)
    for name, value in figures.items():
        print(f"{name:<52}{value:>14,.1f}" if isinstance(value, float) else f"{name:<52}{value:>14,}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if figures["acknowledged spans lost by kill -9"] or figures["spans counted twice after a resend"]:
        sys.exit("spans were lost or doubled")


def _run(server: Server, source: Requests, requests: int, senders: int) -> dict[str, float]:
    first_start_s = server.start()
    sent: list[Request] = []
    try:
        _load(server, _made(source, WARM_UP, sent), senders, is_gzip=False)
        plain, gzipped = _balanced(server, source, sent, requests // 2, senders)
        disk, peak = server.disk(), server.peak_memory_bytes()
        stored = _count(sent)
        burst = _made(source, BURST, sent)
        _all_acknowledged(send(server.port, [request.body for request in burst], senders=senders), BURST)
        server.kill()
        server.start()
        lost = _count(sent) - _found(server, sent)
        _all_acknowledged(send(server.port, [sent[-1].body], senders=1), 1)
        doubled = _listed(server) - _count(sent)
        server.stop()
        starts = [_restart(server) for _ in range(STARTS)]
    finally:
        server.stop()
    return {
        **_rows("protobuf", plain),
        **_rows("protobuf, gzip", gzipped),
        "text a span, bytes": source.text_bytes / _count(sent),
        "request body a span, bytes": sum(len(r.body) for r in burst) / BURST / SPANS,
        "on disk a span after merges, bytes": disk.active_bytes / stored,
        "  with parts that wait for deletion": disk.all_bytes / stored,
        "parts after merges": disk.active_parts,
        "peak resident memory, MB": peak / 1e6,
        "acknowledged spans, then kill -9": _count(sent),
        "acknowledged spans lost by kill -9": lost,
        "spans counted twice after a resend": doubled,
        "start to first healthy answer, s, empty folder": first_start_s,
        f"  median of {STARTS} starts with the data, s": statistics.median(starts),
    }


def _balanced(
    server: Server, source: Requests, sent: list[Request], requests: int, senders: int
) -> tuple[Phase, Phase]:
    """Both encodings in the order plain, gzip, gzip, plain: later blocks pay for merges of earlier parts."""
    blocks: dict[bool, list[Phase]] = {False: [], True: []}
    for is_gzip in (False, True, True, False):
        made = _made(source, requests, sent, is_gzip=is_gzip)
        blocks[is_gzip].append(_load(server, made, senders, is_gzip=is_gzip))
    return _joined(*blocks[False]), _joined(*blocks[True])


def _joined(first: Phase, second: Phase) -> Phase:
    latencies = sorted((*first.latencies_s, *second.latencies_s))
    wall_s = first.wall_s + second.wall_s
    return Phase(
        spans=first.spans + second.spans,
        wall_s=wall_s,
        cpu_s=first.cpu_s + second.cpu_s,
        sending_cpu_s=first.sending_cpu_s + second.sending_cpu_s,
        latencies_s=tuple(latencies),
        other_cores=(first.other_cores * first.wall_s + second.other_cores * second.wall_s) / wall_s,
    )


def _made(source: Requests, count: int, sent: list[Request], *, is_gzip: bool = False) -> list[Request]:
    made = [source.make(SPANS, is_gzip=is_gzip) for _ in range(count)]
    sent += made
    return made


def _load(server: Server, requests: list[Request], senders: int, *, is_gzip: bool) -> Phase:
    bodies = [request.body for request in requests]
    server.wait_until_quiet()
    machine, cpu = _machine_seconds(), server.cpu_seconds()
    sending = send(server.port, bodies, senders=senders, is_gzip=is_gzip)
    sending_cpu, machine = server.cpu_seconds() - cpu, _machine_seconds() - machine
    _all_acknowledged(sending, len(bodies))
    server.wait_until_quiet()
    return Phase(
        spans=_count(requests),
        wall_s=sending.wall_s,
        cpu_s=server.cpu_seconds() - cpu,
        sending_cpu_s=sending_cpu,
        latencies_s=tuple(sorted(sending.latencies_s)),
        other_cores=(machine - sending_cpu) / sending.wall_s,
    )


def _all_acknowledged(sending: Sending, expected: int) -> None:
    if len(sending.acknowledged) != expected:
        raise SystemExit(f"{expected - len(sending.acknowledged)} requests failed: {sending.failures[:3]}")


def _count(requests: Iterable[Request]) -> int:
    return sum(len(ids) for request in requests for ids in request.spans.values())


def _found(server: Server, sent: list[Request]) -> int:
    """Returns how many of the sent spans the API knows: by trace, and span by span for every hundredth."""
    counts = dict(_list_traces(server))
    found = 0
    for number, (trace_id, ids) in enumerate(item for request in sent for item in request.spans.items()):
        found += min(counts.get(trace_id, 0), len(ids))
        if number % 100 == 0:
            spans = server.get(f"/api/v1/traces/{trace_id}")["spans"]
            if sorted(span["span_id"] for span in spans) != sorted(ids):
                raise SystemExit(f"trace {trace_id} came back with other spans")
    return found


def _listed(server: Server) -> int:
    return sum(count for _, count in _list_traces(server))


def _list_traces(server: Server) -> list[tuple[str, int]]:
    items: list[tuple[str, int]] = []
    cursor = ""
    while True:
        page = server.get(f"/api/v1/traces?limit=200{cursor}")
        items += [(item["trace_id"], item["span_count"]) for item in page["items"]]
        if not page["next_cursor"]:
            return items
        cursor = f"&cursor={quote(page['next_cursor'])}"


def _restart(server: Server) -> float:
    seconds = server.start()
    server.stop()
    return seconds


def _machine_seconds() -> float:
    """CPU that the whole machine has used, in seconds."""
    with open("/proc/stat") as lines:
        fields = [int(ticks) for ticks in next(lines).split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _rows(name: str, phase: Phase) -> dict[str, float]:
    return {
        f"{name}: spans": phase.spans,
        f"{name}: durable spans a CPU second": phase.spans / phase.cpu_s,
        f"  {name}: CPU a span, us": phase.cpu_s / phase.spans * 1e6,
        f"  {name}: of it after the last answer (merges), us": (phase.cpu_s - phase.sending_cpu_s)
        / phase.spans
        * 1e6,
        f"  {name}: spans a second of wall": phase.spans / phase.wall_s,
        f"  {name}: request p50, ms": _quantile(phase, 50) * 1e3,
        f"  {name}: request p95, ms": _quantile(phase, 95) * 1e3,
        f"  {name}: cores used by others meanwhile": phase.other_cores,
    }


def _quantile(phase: Phase, percent: int) -> float:
    return phase.latencies_s[len(phase.latencies_s) * percent // 100]


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"{'this benchmark took, s':<52}{time.perf_counter() - began:>14,.1f}")
