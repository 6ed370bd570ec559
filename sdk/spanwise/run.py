"""``spanwise run``: any Python program, traced without touching its code.

Nothing of the program runs in here: this process replaces itself by the program's, so that arguments, path,
``__main__``, signals and exit code are the program's own. A ``sitecustomize`` on PYTHONPATH switches Spanwise
on there and in every Python process below.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spanwise.cli import Command

SETTINGS_VARIABLE = "SPANWISE_RUN"
"""JSON of the arguments of ``instrument()``, for the processes below."""
_AUTOLOAD = str(Path(__file__).parent / "autoload")
_SCRIPTS = (".py", ".pyw", ".pyc", ".pyz")
_NOT_FOUND = 127
"""What a shell answers with, too."""


def command_line(words: Sequence[str], python: str) -> list[str] | None:
    """Returns the command to execute for what the user wrote; ``None`` for one that cannot be found.

    Args:
        words: ``app.py --flag``, ``-m module``, ``-c code``, or a command such as ``gunicorn app:app``.
        python: The interpreter for scripts and modules.
    """
    first = words[0]
    if first in ("-m", "-c"):
        return [python, *words]
    if first.endswith(_SCRIPTS) or os.path.isfile(os.path.join(first, "__main__.py")):
        return [python, *words]
    # Beside the interpreter first: what is called from outside of an environment is meant from inside.
    places = os.pathsep.join([os.path.dirname(python), os.environ.get("PATH", os.defpath)])
    found = shutil.which(first, path=places)
    if found is not None:
        return [found, *words[1:]]
    return [python, *words] if os.path.isfile(first) else None


def environment_of(settings: dict[str, Any]) -> dict[str, str]:
    """Returns the environment for the program and the processes below it."""
    environment = dict(os.environ)
    before = environment.get("PYTHONPATH")
    places = before.split(os.pathsep) if before else []
    environment["PYTHONPATH"] = os.pathsep.join([_AUTOLOAD, *(each for each in places if each != _AUTOLOAD)])
    environment[SETTINGS_VARIABLE] = json.dumps(settings)
    return environment


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "spanwise run [options] (app.py | -m module | command) [its arguments ...]"
    parser.add_argument("--endpoint", metavar="URL", help="collector to send to")
    parser.add_argument("--service-name", metavar="NAME", help="what the program is called in Spanwise")
    parser.add_argument("--environment", metavar="NAME", help="where it runs, such as production")
    parser.add_argument("--no-content", action="store_true", help="record no messages, only their numbers")
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="run a module, as python -m does")
    parser.add_argument("-c", dest="code", nargs=argparse.REMAINDER, help="run code, as python -c does")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="a script or a command, and its arguments")


def _words(arguments: argparse.Namespace) -> list[str]:
    if arguments.module is not None:
        return ["-m", *arguments.module] if arguments.module else []
    if arguments.code is not None:
        return ["-c", *arguments.code] if arguments.code else []
    program: list[str] = arguments.program
    return program[1:] if program[:1] == ["--"] else program


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "endpoint": arguments.endpoint,
        "service_name": arguments.service_name,
        "environment": arguments.environment,
        "capture": False if arguments.no_content else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _run(arguments: argparse.Namespace) -> int:
    words = _words(arguments)
    if not words:
        print("spanwise run: name a script, a module (-m) or a command to run", file=sys.stderr)
        return 2
    command = command_line(words, sys.executable)
    if command is None:
        print(f"spanwise run: {words[0]!r} is neither a file nor a command on PATH", file=sys.stderr)
        return _NOT_FOUND
    environment = environment_of(_settings(arguments))
    sys.stdout.flush()
    if os.name == "nt":  # there, replacing a process makes a second one that nobody waits for
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
    os.execve(command[0], command, environment)  # noqa: S606


COMMAND = Command("run", "run a program with tracing, without touching its code", _configure, _run)
