"""What the tests of all libraries share: spans kept in memory, and a loopback server for recorded answers.

A test module may say ``LIBRARIES = ("groq",)``: only these are instrumented then, else every installed one.
The modules of ``loopback/`` and of ``tests/replay`` can be imported by name. (This folder itself cannot be on
the path: its folders have the names of libraries.)
"""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "loopback"))
sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))

from loopback import Loopback
from span_memory import SpanMemory, traced


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> Iterator[SpanMemory]:
    """Instruments the module's ``LIBRARIES`` and keeps their spans: ``memory.take()``."""
    with traced(getattr(request.module, "LIBRARIES", ())) as spans:
        yield spans


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    """Connections that a library leaves to the garbage collector are not found in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    """A server that answers with what tests ``put`` into it."""
    with Loopback().running() as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves to CI what takes long: every fault in every call, every way a call may end, trackers."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and (
            item.path.parent.name in ("chaos", "trackers") or item.path.stem.endswith("_outcomes")
        ):
            item.add_marker(pytest.mark.slow)
