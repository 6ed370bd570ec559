"""Soak tests take minutes to hours: they run only where ``-m soak`` asks for them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in str(config.getoption("-m")):
        return
    left_out = [item for item in items if item.path.is_relative_to(FOLDER)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
