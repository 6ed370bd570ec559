"""Every integration works with the oldest version it claims, in an environment of its own.

``oldest.toml`` lists them. Packages are installed by pip; run by hand, through ``make soak``.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[2]
ENTRIES: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("oldest.toml").read_text("utf-8"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("library", sorted(ENTRIES))
def test_the_oldest_version(library: str, tmp_path: Path) -> None:
    entry = ENTRIES[library]
    python = tmp_path / "venv" / "bin" / "python"
    run("creating the environment", [sys.executable, "-m", "venv", str(tmp_path / "venv")])
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run("installing", [*install, *entry["requirements"], "-e", f"{ROOT}[test-sdk]"])
    # Warnings of old libraries on a new Python are not ours to fail on.
    lenient = ["-W", "default", "-p", "no:cacheprovider", "-q"]
    said = run(f"the tests of {library}", [str(python), "-m", "pytest", *lenient, *entry["tests"]])
    assert " passed" in said
    assert " skipped" not in said, said[-3000:]


def run(what: str, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == 0, f"{what} failed:\n{(done.stdout + done.stderr)[-5000:]}"
    return done.stdout
