"""What the unit tests of the export share."""

import os

import pytest

from spanwise import guard


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of ours are raised, and the machine's own settings do not count."""
    monkeypatch.setattr(guard, "is_strict", True)
    for name in list(os.environ):
        if name.startswith(("OTEL_", "SPANWISE_")):
            monkeypatch.delenv(name)
