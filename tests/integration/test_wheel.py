"""What is built is whole: all four packages with their SQL, templates, styles and types, and the command."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "spanwise": ROOT / "sdk",
    "spanwise_collector": ROOT / "collector",
    "spanwise_analytics": ROOT / "analytics",
    "spanwise_dashboards": ROOT / "dashboards",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_in_the_wheel_with_every_file_it_reads(wheel: zipfile.ZipFile, package: str) -> None:
    folder = PACKAGES[package] / package
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = {str(path.relative_to(PACKAGES[package])) for path in files}
    assert wanted - set(wheel.namelist()) == set()
    assert f"{package}/py.typed" in wheel.namelist()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_command_and_its_parts_are_registered(wheel: zipfile.ZipFile) -> None:
    (path,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(path).decode()
    assert "spanwise = spanwise.cli:main" in text
    for command in ("serve", "demo", "doctor"):
        assert f"\n{command} = " in text
