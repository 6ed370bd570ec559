"""A fault in any reader makes a test fail: measured by putting faults in, in a copy of the tree.

``SPANWISE_MUTANTS`` bounds how many (default 400, every function has its turn first; 0 makes all of them),
``SPANWISE_MUTANTS_SEED`` picks others. ``docs/quality.md`` has the results.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SPANWISE_SHARED", ROOT.parent / "shared"))
RUNNER = Path(__file__).with_name("mutation_run.py")

SDK_SOURCES = (
    "sdk/spanwise/integrations/_openai_*.py",
    "sdk/spanwise/integrations/_anthropic_*.py",
    "sdk/spanwise/integrations/_stainless*.py",
    "sdk/spanwise/integrations/_hosts.py",
    "sdk/spanwise/recording.py",
)
SDK_TESTS = (
    "tests/unit/integrations",
    "tests/unit/sdk/test_engine.py",
    "tests/unit/sdk/test_recording.py",
    "tests/unit/sdk/test_tracing.py",
    "tests/replay/test_call_forms.py",
    "tests/replay/test_errors.py",
    "tests/replay/test_fold.py",
    "tests/replay/test_odd_shapes.py",
    "tests/replay/test_recordings.py",
)
LIBRARY_SOURCES = (
    "sdk/spanwise/integrations/_bedrock*.py",
    "sdk/spanwise/integrations/_cohere*.py",
    "sdk/spanwise/integrations/_database.py",
    "sdk/spanwise/integrations/_google*.py",
    "sdk/spanwise/integrations/_langchain*.py",
    "sdk/spanwise/integrations/_llama_index*.py",
    "sdk/spanwise/integrations/_mistral*.py",
    "sdk/spanwise/integrations/_ollama*.py",
    "sdk/spanwise/integrations/[a-z]*.py",
)
LIBRARY_TESTS = ("tests/libraries",)
COLLECTOR_SOURCES = (
    "collector/spanwise_collector/ingest/dialects/*.py",
    "collector/spanwise_collector/ingest/normalise.py",
    "collector/spanwise_collector/ingest/placement.py",
    "collector/spanwise_collector/ingest/rules.py",
    "collector/spanwise_collector/ingest/messages.py",
    "collector/spanwise_collector/ingest/flat.py",
    "collector/spanwise_collector/ingest/span_events.py",
    "collector/spanwise_collector/ingest/cost.py",
    "collector/spanwise_collector/ingest/prices.py",
    "collector/spanwise_collector/ingest/sampling.py",
)
COLLECTOR_TESTS = ("tests/unit/collector",)
LOWEST_RATE = 0.90

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(0),
    pytest.mark.skipif(
        not hasattr(os, "fork") or sys.version_info < (3, 11), reason="forks, on Python 3.11+"
    ),
]


@pytest.mark.parametrize(
    ("sources", "tests"),
    [
        pytest.param(SDK_SOURCES, SDK_TESTS, id="sdk"),
        pytest.param(LIBRARY_SOURCES, LIBRARY_TESTS, id="libraries"),
        pytest.param(COLLECTOR_SOURCES, COLLECTOR_TESTS, id="collector"),
    ],
)
def test_a_fault_in_a_reader_is_noticed(
    sources: tuple[str, ...], tests: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        results = run(tmp_path, sources, tests)
    mutants = results["mutants"]
    with capfd.disabled():
        print(table(mutants, results["total"], tmp_path))
    by_scope: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in mutants:
        by_scope[each["path"], each["scope"]].append(each)
    unnoticed = [
        f"{Path(path).stem}.{scope}: {len(tried)} faults, none noticed"
        for (path, scope), tried in by_scope.items()
        if scope != "<tables>" and not any(each["killed_by"] for each in tried)
    ]
    assert unnoticed == []
    assert sum(bool(each["killed_by"]) for each in mutants) / len(mutants) >= LOWEST_RATE


def run(folder: Path, sources: tuple[str, ...], tests: tuple[str, ...]) -> dict[str, Any]:
    """Copies the tree and lets a process of its own try the faults there."""
    leave = shutil.ignore_patterns("__pycache__", ".hypothesis", "node_modules", "e2e", "soak")
    for name in ("sdk", "collector", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", folder)
    limit = int(os.environ.get("SPANWISE_MUTANTS", "400"))
    plan = {
        "sources": sorted(str(path) for pattern in sources for path in folder.glob(pattern)),
        "tests": list(tests),
        "limit": limit or sys.maxsize,
        "seed": os.environ.get("SPANWISE_MUTANTS_SEED", "1"),
    }
    (folder / "plan.json").write_text(json.dumps(plan), "utf-8")
    path = os.pathsep.join([str(folder / "sdk"), str(folder / "collector")])
    subprocess.run(
        [sys.executable, str(RUNNER), "plan.json", "results.json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "SPANWISE_SHARED": str(SHARED), "PYTHONHASHSEED": "0"},
        check=True,
    )
    results: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    if keep := os.environ.get("SPANWISE_MUTANTS_RESULTS"):
        Path(keep, f"{Path(tests[0]).name}.json").write_text(json.dumps(results), "utf-8")
    return results


def table(mutants: list[dict[str, Any]], total: int, folder: Path) -> str:
    """Returns the counts by module, and every survivor with its line and change."""
    by_module: dict[str, list[bool]] = defaultdict(list)
    for each in mutants:
        by_module[str(Path(each["path"]).relative_to(folder))].append(bool(each["killed_by"]))
    rows = [f"\n{len(mutants)} of {total} possible mutants", f"{'module':<60} mutants  killed  survived"]
    for module, verdicts in sorted(by_module.items()):
        killed = sum(verdicts)
        rows.append(f"{module:<60} {len(verdicts):>7} {killed:>7} {len(verdicts) - killed:>9}")
    killed = sum(bool(each["killed_by"]) for each in mutants)
    rows.append(f"{'all':<60} {len(mutants):>7} {killed:>7} {len(mutants) - killed:>9}")
    rows += [
        f"survived: {Path(each['path']).relative_to(folder)}:{each['line']} {each['scope']} "
        f"({each['kind']}, {each['tests']} tests): {each['before']} -> {each['after']}"
        for each in sorted(mutants, key=lambda each: (each["path"], each["line"]))
        if not each["killed_by"]
    ]
    return "\n".join(rows)
