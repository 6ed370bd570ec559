"""The docs say what the code does: generated tables, Python blocks that compile, links that lead somewhere.

``SPANWISE_WRITE_DOCS=1`` writes the tables instead of comparing them.
"""

import ast
import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "ROADMAP.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def settings_table() -> str:
    from spanwise_collector.settings import Settings, variable

    rows = ["| flag | variable | default | what |", "|---|---|---|---|"]
    for item in dataclasses.fields(Settings):
        default = "" if item.default in (dataclasses.MISSING, None, ()) else str(item.default)
        flag = "--" + item.name.replace("_", "-")
        rows.append(f"| `{flag}` | `{variable(item.name)}` | {default} | {item.metadata['about']} |")
    return "\n".join(rows)


def config_table() -> str:
    """The arguments of ``instrument()`` from the fields of ``Config`` and the strings behind them."""
    source = ast.parse((ROOT / "sdk/spanwise/config.py").read_text())
    (config,) = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Config"]
    rows = ["| argument | default | what |", "|---|---|---|"]
    body = config.body[1:]
    for item, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            about = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                about = " ".join(str(after.value.value).split()).replace("``", "`")
            value = ast.unparse(item.value) if item.value else ""
            if value.startswith("field("):
                value = ""
            if item.target.id != "is_endpoint_default":
                rows.append(f"| `{item.target.id}` | {f'`{value}`' if value else ''} | {about} |")
    return "\n".join(rows)


def integrations_table() -> str:
    """What each integration traces, from its declaration; newest and oldest tested version, from where they
    are pinned."""
    from packaging.utils import canonicalize_name

    from spanwise import integrations

    rows = ["| library | tested versions | operations | what is read |", "|---|---|---|---|"]
    newest, oldest = pinned("constraints-models.txt") | pinned("constraints.txt"), oldest_versions()
    for name, item in sorted(integrations._registry().items()):
        found = item.integration
        library = f"`{name}`" if name == found.distribution else f"`{name}` ({found.distribution})"
        newest_version = newest.get(canonicalize_name(found.distribution), "not tested")
        versions = f"{oldest.get(name, 'not tested')} to {newest_version}"
        operations = ", ".join(f"`{operation}`" for operation in found.operations)
        rows.append(f"| {library} | {versions} | {operations} | {found.captures} |")
    return "\n".join(rows)


def pinned(file: str) -> dict[str, str]:
    """The versions that CI installs; of a package with several, that of the Python that runs this."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [Requirement(line) for line in (ROOT / file).read_text().splitlines() if line]
    met = [line for line in lines if line.marker is None or line.marker.evaluate()]
    return {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in met}


def oldest_versions() -> dict[str, str]:
    """The first requirement of each library in the soak test's list."""
    import tomllib

    entries = tomllib.loads((ROOT / "tests/soak/oldest.toml").read_text())
    return {name: entry["requirements"][0].partition("==")[2] for name, entry in entries.items()}


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/server.md", settings_table),
    "config": ("docs/sdk.md", config_table),
    "integrations": ("docs/integrations.md", integrations_table),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_up_to_date(name: str) -> None:
    file, build = TABLES[name]
    text = (ROOT / file).read_text()
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(text), f"{file} has no place for the table {name}"
    fresh = pattern.sub(lambda found: found[1] + build() + "\n" + found[2], text)
    if os.environ.get("SPANWISE_WRITE_DOCS") == "1":
        (ROOT / file).write_text(fresh)
    else:
        assert fresh == text, "run SPANWISE_WRITE_DOCS=1 pytest tests/unit/test_docs.py"


def test_every_integration_is_documented_and_tested_at_both_ends() -> None:
    for row in integrations_table().splitlines()[2:]:
        library, versions, operations, captures = [cell.strip() for cell in row.strip("|").split("|")]
        assert "not tested" not in versions, f"{library}: {versions}"
        assert operations, f"{library} declares no operations"
        assert captures, f"{library} does not say what it captures"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_compile(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_the_docs_call_public_is_public() -> None:
    import spanwise

    for page in PAGES:
        for name in set(re.findall(r"\bspanwise\.([a-z_]+)\b", page.read_text())):
            if name in {
                "integrations",
                "commands",
                "semconv",
                "redact",
                "messages",
                "cli",
                "sampling",
                "kept_for",
            }:
                continue
            assert name in spanwise.__all__ or page.name in {"ROADMAP.md"}, (
                f"{page.name} names spanwise.{name}"
            )


def test_examples_compile() -> None:
    for example in (ROOT / "examples").rglob("*.py"):
        compile(example.read_text(), str(example), "exec")
