"""The experiment run that a span was made under: the active run of MLflow or Weights & Biases.

Read when a span starts, and only of a tracker that the app has imported already. A trace then leads to the
run that trained, evaluated or serves the model.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from spanwise import guard, semconv
from spanwise.operation import AttributeValue

Attributes = Mapping[str, AttributeValue]

_NOTHING: Attributes = {}
_MLFLOW = "mlflow.tracking.fluent"
_WANDB = "wandb"


class _LastRun:
    """What was read of the run that was active last: most spans are made under the same."""

    __slots__ = ("_held", "_read")

    def __init__(self, read: Callable[[Any], dict[str, AttributeValue]]) -> None:
        self._read = read
        self._held: tuple[Any, Attributes] = (None, _NOTHING)

    def of(self, run: Any) -> Attributes:
        """Returns the attributes of a run, read once."""
        held = self._held  # one object: threads under different runs replace it as a whole
        if run is not held[0]:
            self._held = held = (run, self._read(run))
        return held[1]


def attributes() -> Attributes:
    """Returns the attributes of the active runs; nothing, and next to no time, without a tracker."""
    modules = sys.modules
    mlflow, wandb = modules.get(_MLFLOW), modules.get(_WANDB)
    if mlflow is None and wandb is None:
        return _NOTHING
    try:
        found = _NOTHING if mlflow is None else _active_mlflow(mlflow)
        run = getattr(wandb, "run", None)
        if run is None:
            return found
        own = _wandb.of(run)
        return {**found, **own} if found else own
    except Exception as error:  # noqa: BLE001  libraries of others are read in here
        guard.fault("reading the active run of an experiment tracker", error)
        return _NOTHING


def _active_mlflow(module: Any) -> Attributes:
    active_run = getattr(module, "active_run", None)  # absent while the module is being imported
    run = None if active_run is None else active_run()
    return _NOTHING if run is None else _mlflow.of(run)


def _read_mlflow(run: Any) -> dict[str, AttributeValue]:
    info = run.info
    run_id, experiment = info.run_id, info.experiment_id
    given = {
        semconv.MLFLOW_RUN_ID: run_id,
        semconv.MLFLOW_RUN_NAME: getattr(info, "run_name", None),
        semconv.MLFLOW_EXPERIMENT_ID: experiment,
        semconv.MLFLOW_RUN_URL: _mlflow_url(run_id, experiment),
    }
    return {key: str(value) for key, value in given.items() if value}


def _mlflow_url(run_id: str, experiment: str) -> str | None:
    """Returns the page of a run on a tracking server; a store of files has none."""
    tracking = sys.modules.get("mlflow.tracking")
    address = tracking.get_tracking_uri() if tracking is not None else ""
    if not address.startswith(("http://", "https://")):
        return None
    scheme, _, rest = address.partition("://")
    server = rest.rpartition("@")[2].rstrip("/")  # never with a password
    return f"{scheme}://{server}/#/experiments/{experiment}/runs/{run_id}"


def _read_wandb(run: Any) -> dict[str, AttributeValue]:
    given = {
        semconv.WANDB_RUN_ID: getattr(run, "id", None),
        semconv.WANDB_RUN_NAME: getattr(run, "name", None),
        semconv.WANDB_PROJECT: getattr(run, "project", None),
        semconv.WANDB_ENTITY: getattr(run, "entity", None),
        semconv.WANDB_RUN_URL: getattr(run, "url", None),
    }
    return {key: str(value) for key, value in given.items() if value}


_mlflow = _LastRun(_read_mlflow)
_wandb = _LastRun(_read_wandb)
