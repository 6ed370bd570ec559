"""Sends replayed calls the whole way: client, SDK, OTLP, ``spanwise serve``, and out of its JSON API."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from comparison import differences
from recordings import Recording
from replay_client import replay
from replay_server import ReplayServer

import spanwise

START = "import sys; from spanwise.cli import main; sys.exit(main())"
READY_TIMEOUT_S = 60.0


@contextmanager
def spanwise_server(folder: Path) -> Iterator[str]:
    """Runs a server process on a data folder of its own and yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    arguments = ["serve", "--port", str(port), "--data-dir", str(folder / "data")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", START, *arguments], stdout=log, stderr=log)
    try:
        _wait_until_ready(process, url, folder / "server.log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def replay_through(url: str, recordings: Sequence[Recording]) -> dict[str, list[dict[str, Any]]]:
    """Replays every recording and returns the spans that the server holds for each, by its key."""
    spanwise.instrument("openai", "anthropic", endpoint=url, isolated=True, scrub=False)
    try:
        with ReplayServer(recordings).running() as replaying:
            for recording in recordings:
                with spanwise.context(conversation_id=recording.key):
                    replay(recording, replaying.url)
        if not spanwise.flush():
            raise RuntimeError(f"the server at {url} did not take all spans")
    finally:
        spanwise.uninstrument()
    return {recording.key: _spans(url, recording.key) for recording in recordings}


def failures(recording: Recording, spans: Sequence[dict[str, Any]]) -> list[str]:
    """Returns what is wrong with the spans of a recording, one sentence each."""
    if len(spans) != 1:
        return [f"{len(spans)} spans instead of one"]
    return differences(recording, spans[0])


def _spans(url: str, key: str) -> list[dict[str, Any]]:
    listed = _get(f"{url}/api/v1/traces?conversation_id={quote(key)}")["items"]
    traces = [_get(f"{url}/api/v1/traces/{item['trace_id']}") for item in listed]
    return [span for trace in traces for span in trace["spans"]]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}: {log.read_text()}")
        try:
            _get(f"{url}/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server was not ready after {READY_TIMEOUT_S} s: {log.read_text()}")
