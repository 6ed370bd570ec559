"""Times the pages as a reader gets them: the list over a million spans by HTTP, a long trace in a browser.

    python benchmarks/pages.py [--spans 1000000] [--folder KEEP] [--trace-spans 20000]

Builds the spans in a temporary folder (or in ``--folder``, which is kept and used again), starts ``spanwise
serve`` on it, and asks for each page once cold and then ``RUNS`` times. The long trace is sent to the same
server by OTLP and opened in Chromium, where that is installed: from navigation to the first painted row, and
the time of two frames for a jump through the tree. Prints a table.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store_queries import PROJECT, build

from spanwise_collector.model import TraceFilter
from spanwise_collector.store import Store, StoreSettings

RUNS = 9
PAGES = {
    "list, last 24 hours (default)": "/traces",
    "list, all time": "/traces?range=all",
    "list, all time, one model": "/traces?range=all&model=gpt-4o",
    "list, all time, errors": "/traces?range=all&status=error",
    "histogram, all time": "/traces/histogram?range=all",
    "facets, last 24 hours": "/traces/facets",
    "facets, all time": "/traces/facets?range=all",
    "sessions": "/sessions?range=all",
    "API: traces, no filter": "/api/v1/traces",
}
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def fill(folder: Path, spans: int) -> None:
    """Builds the store, unless the folder holds one."""
    with Store.open(StoreSettings(data_dir=folder)) as store:
        if not store.list_traces(PROJECT, TraceFilter(), limit=1).items:
            build(store, spans)


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Starts the server and waits until it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "spanwise", "serve", "--port", str(port), "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(url + "/readyz", timeout=5).close()
            return process, url
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit("the server did not start within 30 s")


def timed(run: Callable[[], Any]) -> float:
    """Returns the milliseconds of one call."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1e3


def get(url: str) -> bytes:
    """Returns a page."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body


def send_trace(url: str, count: int) -> str:
    """Sends one trace of ``count`` spans, ten below each; returns its id."""
    trace_id, start = f"{time.time_ns():032x}", time.time_ns() - 60 * 10**9
    spans = [
        {
            "traceId": trace_id,
            "spanId": f"{n + 1:016x}",
            "parentSpanId": f"{(n + 9) // 10:016x}" if n else "",
            "name": f"step {n}",
            "startTimeUnixNano": str(start + n * 1_000_000),
            "endTimeUnixNano": str(start + (n + 5) * 1_000_000),
        }
        for n in range(count)
    ]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    request = urllib.request.Request(url + "/v1/traces", body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()
    return trace_id


def browse(url: str, trace_id: str) -> tuple[list[float], list[float]]:
    """Opens a trace five times; returns the milliseconds to its first row, and of each jump in its tree."""
    from playwright.sync_api import sync_playwright

    opened, jumps = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        for _ in range(5):
            page.goto(url + "/healthz")
            began = time.perf_counter()
            page.goto(f"{url}/traces/{trace_id}", wait_until="commit")
            page.wait_for_selector("span-tree [role=treeitem]")
            opened.append((time.perf_counter() - began) * 1e3)
        jumps = page.evaluate(
            """async () => {
              const outer = document.querySelector("span-tree");
              const tree = outer.querySelector("[role=tree]") ?? outer;
              const times = [];
              for (let i = 0; i < 40; i++) {
                const began = performance.now();
                tree.scrollTop = (i * 7919) % tree.scrollHeight;
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                times.push(performance.now() - began);
              }
              return times;
            }"""
        )
        browser.close()
    return opened, jumps


def summary(times: list[float]) -> tuple[str, str, str]:
    """Returns the first time, and the median and the largest of the others."""
    return f"{times[0]:.0f}", f"{statistics.median(times[1:]):.0f}", f"{max(times[1:]):.0f}"


def row(name: str, *cells: str) -> None:
    """Prints one line of the table."""
    print(f"{name:40}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def main() -> None:
    """Build, serve, ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the store here and use it again")
    parser.add_argument("--trace-spans", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spanwise-bench-") as temporary:
        folder = options.folder or Path(temporary)
        fill(folder, options.spans)
        process, url = serve(folder)
        try:
            row(f"over {options.spans:,} spans", "first ms", "median ms", "slowest ms")
            for name, path in PAGES.items():
                row(name, *summary([timed(lambda path=path: get(url + path)) for _ in range(RUNS + 1)]))
            if shutil.which("chromium"):
                opened, jumps = browse(url, send_trace(url, options.trace_spans))
                row(f"trace of {options.trace_spans:,} spans, first row", *summary(opened))
                row("jump in its tree", *summary(jumps))
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
