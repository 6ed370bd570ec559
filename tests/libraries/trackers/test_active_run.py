"""The active run of MLflow (a store of files) and Weights & Biases (offline) on the spans made under it."""

import sys
import timeit
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from span_memory import SpanMemory, traced

import spanwise
from spanwise import trackers

LIBRARIES = ("openai",)


@pytest.fixture
def memory() -> Iterator[SpanMemory]:
    with traced(LIBRARIES) as spans:
        yield spans


def runs_of(memory: SpanMemory) -> dict[str, Any]:
    """Makes a span, and returns what it tells of runs."""
    with spanwise.span("answer", operation="chat"):
        pass
    (span,) = memory.take()
    prefixes = ("spanwise.mlflow.", "spanwise.wandb.")
    return {key: value for key, value in span["attributes"].items() if key.startswith(prefixes)}


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    module = pytest.importorskip(
        "mlflow", reason="mlflow is not installed: pip install 'spanwise[test-libraries]'"
    )
    before = module.get_tracking_uri()
    module.set_tracking_uri(tmp_path.as_uri())
    yield module
    while module.active_run():
        module.end_run()
    module.set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # MLflow's, of its store of files
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_spans_lead_to_the_mlflow_run(memory: SpanMemory, mlflow: Any) -> None:
    experiment = mlflow.create_experiment("capitals")
    assert runs_of(memory) == {}
    with mlflow.start_run(experiment_id=experiment, run_name="outer") as outer:
        assert runs_of(memory) == {
            "spanwise.mlflow.run.id": outer.info.run_id,
            "spanwise.mlflow.run.name": "outer",
            "spanwise.mlflow.experiment.id": experiment,
        }
        with mlflow.start_run(experiment_id=experiment, run_name="inner", nested=True) as inner:
            assert runs_of(memory)["spanwise.mlflow.run.id"] == inner.info.run_id
        assert runs_of(memory)["spanwise.mlflow.run.id"] == outer.info.run_id
    assert runs_of(memory) == {}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_calls_of_libraries_lead_there_too(mlflow: Any, loopback: Any) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'spanwise[test-sdk]'")
    from cassettes import made_up

    answer = {"object": "list", "model": "m", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    url = loopback.put(made_up("tracked", "/v1/embeddings", answer))
    experiment = mlflow.create_experiment("embeddings")
    with traced(LIBRARIES) as memory, mlflow.start_run(experiment_id=experiment) as run:
        openai.OpenAI(base_url=url + "/v1", api_key="k").embeddings.create(
            model="m", input="x", encoding_format="float"
        )
        (span,) = memory.take()
    assert span["attributes"]["spanwise.mlflow.run.id"] == run.info.run_id


def test_a_tracking_server_has_a_page_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = SimpleNamespace(get_tracking_uri=lambda: "https://me:secret@mlflow.example.com/")
    monkeypatch.setitem(sys.modules, "mlflow.tracking", tracking)
    assert trackers._mlflow_url("r1", "7") == "https://mlflow.example.com/#/experiments/7/runs/r1"


@pytest.mark.filterwarnings("ignore")  # Weights & Biases': of its dependencies, not of ours
def test_spans_lead_to_the_wandb_run(
    memory: SpanMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MODE": "offline", "SILENT": "true", "DIR": str(tmp_path), "CONSOLE": "off"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    wandb = pytest.importorskip(
        "wandb", reason="wandb is not installed: pip install 'spanwise[test-libraries]'"
    )
    assert runs_of(memory) == {}
    run = wandb.init(project="capitals", entity="team", name="first", dir=str(tmp_path))
    try:
        assert runs_of(memory) == {
            "spanwise.wandb.run.id": run.id,
            "spanwise.wandb.run.name": "first",
            "spanwise.wandb.project": "capitals",
            "spanwise.wandb.entity": "team",
        }
    finally:
        run.finish()
    assert runs_of(memory) == {}


def test_a_tracker_that_breaks_costs_its_attributes_alone(
    memory: SpanMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no run for you")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=Broken()))
    monkeypatch.delitem(sys.modules, "mlflow.tracking.fluent", raising=False)
    assert runs_of(memory) == {}


def test_without_a_tracker_there_is_nothing_to_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.delitem(sys.modules, "mlflow.tracking.fluent", raising=False)
    before = set(sys.modules)
    seconds = min(timeit.repeat(trackers.attributes, number=1000, repeat=5)) / 1000
    assert seconds < 5e-6  # it takes some 0.2 us; the machine may be busy
    assert set(sys.modules) == before
