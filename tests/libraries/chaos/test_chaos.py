"""Nobody regrets the line: whatever fails in our own code, the app's calls do what they do without us.

Every ``sampled_<library>.py`` beside this file has calls of one real client library. Each is made without
Spanwise, then under every fault of ``faults.py``: result, types and exceptions must be the same, the fault
counted each time and logged once.
"""

import importlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from call_outcome import Outcome, outcome_of
from faults import FAULTS
from loopback import Loopback
from span_memory import SpanMemory, traced

from spanwise import guard, integrations
from spanwise.integrations._declaration import Reader

pytestmark = pytest.mark.filterwarnings("default")  # what a library warns of is the same without us
FOLDER = Path(__file__).parent
OTHER_ENVIRONMENT = ("ai21", "litellm", "sentence_transformers", "transformers")
Call = Callable[[Loopback, str], Any]
PROMPT = "Which city is the capital of France?"
HUGE = 50 * 1024 * 1024


def _calls() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("sampled_*.py")):
        library = path.stem.removeprefix("sampled_")
        try:
            samples: dict[str, Call] = importlib.import_module(path.stem).SAMPLES
        except ImportError as error:
            extra = "test-models" if library in OTHER_ENVIRONMENT else "test-libraries"
            reason = f"{library} is not installed ({error}): pip install 'spanwise[{extra}]'"
            yield pytest.param(library, None, marks=pytest.mark.skip(reason), id=library)
            continue
        for name, call in samples.items():
            yield pytest.param(library, call, id=f"{library}-{name.replace(' ', '-')}")


CALLS = list(_calls())


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are kept from the app as in production, and counted from nothing."""
    monkeypatch.setattr(guard, "is_strict", False)
    monkeypatch.setattr(guard, "_counts", {})


@contextmanager
def under(fault: str, library: str) -> Iterator[SpanMemory]:
    """Spanwise at work on a library, with a fault in it."""
    with FAULTS[fault](library), traced((library,)) as memory:
        yield memory


def bare(call: Call, loopback: Loopback, text: str = PROMPT) -> Outcome:
    outcome = outcome_of(lambda: call(loopback, text))
    assert outcome.raised == ("refused" in call.__name__), outcome.value[:1000]
    return outcome


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("library", "call"), CALLS)
def test_a_fault_of_ours_changes_nothing_for_the_app(
    library: str, call: Call, fault: str, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    expected = bare(call, loopback)
    with caplog.at_level(logging.WARNING, "spanwise"), under(fault, library):
        outcomes = [bare(call, loopback) for _ in range(2)]
    assert outcomes == [expected, expected]
    said = [record for record in caplog.records if record.name == "spanwise"]
    places = guard.faults()
    assert len(said) == len(places), "each place is logged once"
    for count in places.values():
        assert count % 2 == 0, f"both calls are counted: {places}"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("library", sorted({each.values[0] for each in CALLS if not each.marks}))
def test_a_fault_is_met_by_some_call(library: str, fault: str, loopback: Loopback) -> None:
    """Otherwise the test above would prove nothing."""
    readers = [target.reader for target in integrations._registry()[library].integration.targets]
    if hasattr(Reader, fault) and not any(getattr(reader, fault) for reader in readers):
        return  # this library's readers have no such function
    if not readers and fault in ("observe", "prepare", "unwritable attribute"):
        return  # a library that calls back has no targets to put these into
    with under(fault, library):
        for each in CALLS:
            if each.values[0] == library:
                bare(each.values[1], loopback)
    assert guard.faults(), f"{fault} was never reached"


@pytest.mark.parametrize(("library", "call"), CALLS)
def test_an_exporter_that_hangs_changes_nothing_for_the_app(
    library: str, call: Call, loopback: Loopback
) -> None:
    import spanwise

    expected = bare(call, loopback)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)  # takes connections and never answers
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        spanwise.instrument(library, endpoint=endpoint, isolated=True)
        try:
            began = time.monotonic()
            assert [bare(call, loopback) for _ in range(3)] == [expected] * 3
            assert time.monotonic() - began < 5, "a call waited for the exporter"
        finally:
            spanwise.shutdown(0.01)
            spanwise.uninstrument()
    assert guard.faults() == {}


@pytest.mark.slow
@pytest.mark.parametrize(("library", "call"), CALLS)
def test_a_prompt_of_fifty_megabytes(library: str, call: Call, loopback: Loopback) -> None:
    text = "word " * (HUGE // 5)
    expected = bare(call, loopback, text)
    with traced((library,), scrub=True) as memory:
        assert bare(call, loopback, text) == expected
    assert len(memory.take()) >= 1
    assert guard.faults() == {}
