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


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/server.md", settings_table),
    "config": ("docs/sdk.md", config_table),
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
            if name in {"integrations", "commands", "semconv", "redact", "messages", "cli"}:
                continue
            assert name in spanwise.__all__ or page.name in {"ROADMAP.md"}, (
                f"{page.name} names spanwise.{name}"
            )


def test_examples_compile() -> None:
    for example in (ROOT / "examples").rglob("*.py"):
        compile(example.read_text(), str(example), "exec")
