"""What all tests share: where the recorded data lies, and that nothing is skipped unseen in CI."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SPANWISE_SHARED", ROOT.parent / "shared"))

OPTIONAL = ("SPANWISE_TEST_CLICKHOUSE_URL", "SPANWISE_TEST_LLM_URL")
"""Reasons that may stand in a skip even in CI: what they ask for cannot be had on every machine."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded traffic and data sets; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no recorded data at {SHARED} (set SPANWISE_SHARED)")
    return SHARED


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs what drives servers and browsers last, in whatever order else.

    Playwright keeps an event loop running in this thread, beside which no asynchronous test can start.
    """
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turns a skip into a failure where CI asked for everything (``SPANWISE_REQUIRE_ALL=1``).

    Recorded data that is not there may be skipped: the repository does not carry it.
    """
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("SPANWISE_REQUIRE_ALL") == "1":
        reason = str(report.longrepr)
        missing_data = not SHARED.is_dir() and "recorded data" in reason
        if not missing_data and not any(word in reason for word in OPTIONAL):
            report.outcome = "failed"
            report.longrepr = f"skipped although SPANWISE_REQUIRE_ALL=1: {reason}"
    return report
