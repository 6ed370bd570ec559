"""The ``spanwise`` command: finds the commands of every installed package and runs one of them.

A command is an object of class ``Command`` behind an entry point of the group ``spanwise.commands``. Only the
one that is run is imported, so that the SDK's own stay light, and one whose packages are missing says what
to install.
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spanwise._version import __version__

GROUP = "spanwise.commands"
_OWN_PACKAGES = ("spanwise", "spanwise_collector", "spanwise_analytics", "spanwise_dashboards")
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    ``configure`` adds its arguments to a parser; ``run`` gets what was parsed and returns the exit code.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class MissingExtraError(Exception):
    """A command needs packages that are not installed; the message says which, and how to install them."""

    def __init__(self, command: str, module: str) -> None:
        extra = "demo" if command == "demo" else "server"
        hint = "" if sys.version_info >= (3, 11) else " (on Python 3.11 or newer)"
        super().__init__(
            f"'spanwise {command}' needs {module}, which is not installed.\n"
            f'Install it with:  pip install "spanwise[{extra}]"{hint}'
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code: 0 success, 1 failure, 2 wrong usage.

    Args:
        arguments: Without the program's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["--version"], ["-V"]):
        print(f"spanwise {__version__}")
        return 0
    entry_points = _entry_points()
    wanted = next((word for word in words if not word.startswith("-")), None)
    try:
        loaded = [_load(entry_points[wanted])] if wanted in entry_points else None
        parser = _parser(loaded, entry_points)
        parsed = parser.parse_args(words)
        if loaded is None:
            parser.print_help()
            return 2
        return loaded[0].run(parsed)
    except MissingExtraError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone. Without this, Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Returns the commands that are installed, by name."""
    found = importlib.metadata.entry_points(group=GROUP)
    return {entry_point.name: entry_point for entry_point in sorted(found, key=lambda item: item.name)}


def _load(entry_point: importlib.metadata.EntryPoint) -> Command:
    """Imports a command.

    Raises:
        MissingExtraError: a package that it needs is not installed.
    """
    try:
        command = entry_point.load()
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if not module or (module in _OWN_PACKAGES and error.name != entry_point.module):
            raise  # a fault of ours, not something to install
        raise MissingExtraError(entry_point.name, module) from error
    if not isinstance(command, Command):
        raise TypeError(f"entry point {entry_point.name} = {entry_point.value} is not a spanwise.cli.Command")
    return command


def _parser(
    loaded: Sequence[Command] | None, entry_points: dict[str, importlib.metadata.EntryPoint]
) -> argparse.ArgumentParser:
    """Builds the parser of the commands in ``loaded``, or of all that can be imported."""
    parser = argparse.ArgumentParser(
        prog="spanwise", description="LLM observability: one line in the app, traces you can read."
    )
    parser.add_argument("-V", "--version", action="store_true", help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="<command>")
    if loaded is None:
        loaded, missing = _load_all(entry_points)
        if missing:
            parser.epilog = "Not available here: " + "; ".join(missing)
    for command in loaded:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.configure(subparser)
    return parser


def _load_all(
    entry_points: dict[str, importlib.metadata.EntryPoint],
) -> tuple[list[Command], list[str]]:
    """Returns the commands that can be imported, and one remark for each that cannot."""
    commands, missing = [], []
    for name, entry_point in entry_points.items():
        try:
            commands.append(_load(entry_point))
        except MissingExtraError as error:
            missing.append(f"{name} ({str(error).splitlines()[-1].strip()})")
        except Exception as error:  # noqa: BLE001 - a broken command must not take the help away
            missing.append(f"{name} ({type(error).__name__}: {error})")
    return commands, missing
