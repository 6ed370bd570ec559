"""A store on each engine: embedded, over HTTP to a test server, and a real server where
``SPANWISE_TEST_CLICKHOUSE_URL`` names one.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spanwise_collector.model import Span
from spanwise_collector.store import Store, StoreSettings

NOON_NS = 1_750_000_000 * 10**9
"""2025-06-15 15:06:40 UTC: a fixed moment, so that no test depends on the day it runs."""


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the test server, which asks for a user and a password."""
    command = [sys.executable, str(Path(__file__).with_name("clickhouse_http.py"))]
    folder = tmp_path_factory.mktemp("http") / "engine"
    process = subprocess.Popen(
        [*command, str(folder), "spanwise", "secret"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = process.stdout.readline().strip()
        yield f"http://spanwise:secret@127.0.0.1:{port}"
    finally:
        process.communicate()


SERVER_URL = os.environ.get("SPANWISE_TEST_CLICKHOUSE_URL", "")


OVER_HTTP = pytest.param("http", marks=pytest.mark.slow)
"""Every statement once more over HTTP: left to CI, as it doubles the time."""


@pytest.fixture(scope="module", params=["embedded", OVER_HTTP, *(["server"] if SERVER_URL else [])])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty-enough store: each test works in a project of its own."""
    if request.param == "embedded":
        settings = StoreSettings(data_dir=tmp_path_factory.mktemp("store"))
    elif request.param == "http":
        settings = StoreSettings(clickhouse_url=request.getfixturevalue("http_server"))
    else:
        settings = StoreSettings(clickhouse_url=SERVER_URL)
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def project() -> str:
    """A project no other test has."""
    return f"project-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def new_span(project: str) -> Callable[..., Span]:
    """Make spans by trace and span number: ids, a start one millisecond apart, and what is asked for."""

    def make(trace: int = 1, span: int = 1, /, **fields: Any) -> Span:
        start = fields.pop("start_ns", NOON_NS + trace * 10**9 + span * 10**6)
        plain = {
            "project_id": project,
            "trace_id": f"{trace:032x}",
            "span_id": f"{trace % 2**32:08x}{span:08x}",
            "name": f"span {span}",
            "start_ns": start,
            "end_ns": start + 500_000,
            "received_ns": start + 10**9,
        }
        return Span(**(plain | fields))

    return make
