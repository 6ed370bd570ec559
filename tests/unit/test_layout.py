"""The house rules that a machine can check: sizes, where SQL may stand, what the repository holds."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sdk", "collector", "analytics", "dashboards")
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_is_longer_than_the_budget() -> None:
    too_long = {relative(p): n for p in SOURCES if (n := len(p.read_text().splitlines())) > MAX_MODULE_LINES}
    assert too_long == {}, f"split these by meaning (budget {MAX_MODULE_LINES} lines): {too_long}"


def test_no_function_is_longer_than_the_budget() -> None:
    too_long = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    too_long[f"{relative(path)}:{node.name}"] = lines
    assert too_long == {}, f"split these (budget {MAX_FUNCTION_LINES} lines): {too_long}"


def test_sql_stands_in_the_store_only() -> None:
    statement = re.compile(
        r"\b(select\s.+\sfrom|insert\s+into|alter\s+table|create\s+table)\s", re.IGNORECASE
    )
    found = [
        relative(p)
        for p in SOURCES
        if "spanwise_collector/store/" not in relative(p) and statement.search(p.read_text())
    ]
    assert found == []


def test_migrations_are_numbered_without_gap_or_repeat() -> None:
    names = sorted(p.name for p in (ROOT / "collector/spanwise_collector/store/migrations").glob("*.sql"))
    assert names, "there is no migration"
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_each_package_root_holds_one_package() -> None:
    for package in PACKAGES:
        loose = [relative(p) for p in (ROOT / package).glob("*.py")]
        assert loose == [], "a loose module beside a package would land on sys.path"


@pytest.mark.parametrize("banned", ["utils", "helpers", "helper", "manager", "common", "misc"])
def test_no_module_has_a_name_that_says_nothing(banned: str) -> None:
    assert [relative(p) for p in SOURCES if p.stem.strip("_") == banned] == []


def test_banned_synonyms_do_not_name_things() -> None:
    banned = re.compile(r"(observation|prompt_tokens|completion_tokens|helper|manager)", re.IGNORECASE)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [
        f"{relative(path)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and banned.search(node.name)
    ]
    assert found == [], "the vocabulary is OpenTelemetry GenAI's"


def test_import_spanwise_is_light() -> None:
    """`import spanwise` must not load the OTel SDK, protobuf or an HTTP client."""
    code = (
        "import sys, spanwise\n"
        "names = 'opentelemetry.sdk', 'google.protobuf', 'urllib3', 'requests', 'numpy'\n"
        "heavy = [name for name in names if name in sys.modules]\n"
        "print(','.join(heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == ""


def test_the_version_stands_in_one_place() -> None:
    version = re.search(r'"(.+)"', (ROOT / "sdk/spanwise/_version.py").read_text().split("=")[1])
    assert version
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    assert (
        f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text()
        or "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    )
