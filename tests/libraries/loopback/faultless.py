"""A fixture for libraries that call back: they swallow what a handler raises, so our faults are counted."""

from collections.abc import Iterator

import pytest

from spanwise import guard


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    """Fails a test in which our own code has faulted."""
    before = guard.faults()
    yield
    assert guard.faults() == before
