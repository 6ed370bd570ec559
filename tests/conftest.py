"""What all tests share: where the recorded data lies, and that nothing is skipped unseen in CI."""

import os
from pathlib import Path

import hypothesis  # noqa: F401  else its plugin imports it at the end, where Python 3.11 fails in ast.parse
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SPANWISE_SHARED", ROOT.parent / "shared"))

OPTIONAL = ("SPANWISE_TEST_CLICKHOUSE_URL", "SPANWISE_TEST_LLM_URL", "spanwise[test-models]")
"""Reasons that may stand in a skip even in CI: what they ask for cannot be had on every machine, or is tested
in the environment beside this one."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recorded traffic and data sets; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no recorded data at {SHARED} (set SPANWISE_SHARED)")
    return SHARED


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves soak tests to ``-m soak``, and runs what drives servers and browsers last.

    Playwright keeps an event loop running in this thread, beside which no asynchronous test can start.
    """
    if "soak" not in str(config.getoption("-m")):
        left_out = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turns a skip into a failure where CI asked for everything (``SPANWISE_REQUIRE_ALL=1``)."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """Does the same for whole modules, which are skipped where their library is not installed."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Recorded data that is not there may be skipped: the repository does not carry it."""
    if not report.skipped or os.environ.get("SPANWISE_REQUIRE_ALL") != "1":
        return
    reason = str(report.longrepr)
    missing_data = not SHARED.is_dir() and "recorded data" in reason
    if not missing_data and not any(word in reason for word in OPTIONAL):
        report.outcome = "failed"
        report.longrepr = f"skipped although SPANWISE_REQUIRE_ALL=1: {reason}"
