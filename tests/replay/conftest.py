"""Makes the modules of this folder importable, and gives tests a replay server over all recordings."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recordings import FURTHER, NAMED, load
from replay_server import ReplayServer
from span_memory import SpanMemory, traced


@pytest.fixture(scope="session")
def replay_server(shared: Path) -> Iterator[ReplayServer]:
    with ReplayServer(load(*NAMED, *FURTHER)).running() as server:
        yield server


@pytest.fixture
def memory() -> Iterator[SpanMemory]:
    with traced() as spans:
        yield spans
