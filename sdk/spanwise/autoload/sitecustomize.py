"""Runs at the start of every Python process below ``spanwise run``, which puts this folder on PYTHONPATH.

Python imports a module of this name by itself, before the program. What the program sees of its own
(``sys.path``, the environment's own ``sitecustomize``) is as it would be without us. May run in a Python
without Spanwise.
"""

import importlib
import json
import os
import sys


def _leave_path() -> None:
    """Takes this folder off ``sys.path``; it stays on PYTHONPATH, for child processes."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]


def _instrument() -> None:
    try:
        from spanwise.lifecycle import instrument_from_environment
    except ImportError:
        return  # another environment's Python: nothing can be traced there, and nothing need be said
    try:
        instrument_from_environment(**json.loads(os.environ.get("SPANWISE_RUN", "{}")))
    except Exception as error:  # noqa: BLE001  telemetry never breaks the app
        print(f"spanwise run: not traced: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201


def _import_shadowed() -> None:
    """Imports the sitecustomize that this one stands in front of, as Python would have."""
    ours = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


_leave_path()
try:
    _instrument()
finally:
    _import_shadowed()
