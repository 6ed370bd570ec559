"""Beside every other instrumentor of the OpenAI client, a call has exactly one span, in both load orders.

Each gets an environment of its own, made by pip; run by hand, through ``make soak``. The versions are such as
work together.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = {
    "openllmetry": ["openai<3", "opentelemetry-instrumentation-openai==0.62.4"],
    "openinference": ["openai<3", "openinference-instrumentation-openai==0.1.66"],
    "openlit": ["openai<3", "openlit==1.45.0"],
    "logfire": ["openai<3", "logfire==5.2.0"],
    "langfuse": ["openai<3", "langfuse==5.0.4"],
    "openai_v2": [
        "openai==3.54.0",
        "httpx",
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "opentelemetry-util-genai==1.0b0",
    ],
    "genai": ["openai==3.54.0", "opentelemetry-instrumentation-genai-openai==1.3b0"],
}
SCOPES = {
    "openllmetry": "opentelemetry.instrumentation.openai.v1",
    "openinference": "openinference.instrumentation.openai",
    "openlit": "openlit.instrumentation.openai",
    "logfire": "logfire.openai",
    "langfuse": "spanwise",  # its spans are for Langfuse: no attribute says to others what they are
    "openai_v2": "opentelemetry.util.genai.handler",
    "genai": "opentelemetry.instrumentation.genai.openai",
}
STAYS = "openllmetry"
"""Its uninstrument() does not find the methods it patched, so that its spans keep coming."""
HIDES = ("logfire", "peer first")
"""It leaves the original function on the subclass, and nobody is told: until the next instrument()."""
OFF = "after it was switched off"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stub_url() -> str:
    spec = importlib.util.spec_from_file_location("openai_stub", ROOT / "tests" / "system" / "openai_stub.py")
    assert spec is not None
    assert spec.loader is not None
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)
    return str(stub.serve())


@pytest.fixture(scope="module", params=sorted(REQUIREMENTS))
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of the other instrumentor, and a Python that has it."""
    name: str = request.param
    made = os.environ.get("SPANWISE_PEERS_VENVS")
    folder = Path(made) / name if made else tmp_path_factory.mktemp(name) / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(folder)])
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*install, "-e", str(ROOT), *REQUIREMENTS[name]])
    return name, python


@pytest.mark.parametrize("order", ["peer first", "ours first"])
def test_a_call_has_one_span(environment: tuple[str, Path], order: str, stub_url: str) -> None:
    name, python = environment
    said = run([str(python), str(Path(__file__).with_name("peer_app.py")), name, order, stub_url])
    seen: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    phases = seen["phases"]
    theirs = {kind: [SCOPES[name]] for kind in ("plain", "stream", "async")}
    assert phases["both"] == theirs
    lines = [line for line in seen["log"] if "already traces openai" in line]
    assert len(lines) <= 1, "said once"
    if name != "langfuse" and (name, order) != ("logfire", "ours first"):  # Logfire suppresses ours by itself
        assert len(lines) == 1
    if OFF in phases and (name, order) != HIDES:
        ours = {kind: ["spanwise"] for kind in theirs}
        assert phases[OFF] == (theirs if name == STAYS else ours)
    if name not in (STAYS, "langfuse"):
        assert phases["after it was switched on again"] == theirs
        assert phases["after both"] == {kind: [] for kind in theirs}


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout
