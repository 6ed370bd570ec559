"""The command finds other packages' commands, imports only what it runs, and says what to install."""

import argparse
import importlib.metadata
import subprocess
import sys
from typing import Any

import pytest

from spanwise import cli
from spanwise._version import __version__

ECHO = cli.Command(
    "echo",
    "repeat a word",
    lambda parser: parser.add_argument("word") and None,
    lambda arguments: print(arguments.word) or 3,
)


def interrupted(arguments: argparse.Namespace) -> int:
    raise KeyboardInterrupt


STOPPED = cli.Command("stopped", "", lambda parser: None, interrupted)
NOT_A_COMMAND = object()


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts entry points in place of the installed ones."""

    def put(**values: str) -> None:
        points = {
            name: importlib.metadata.EntryPoint(name, value, cli.GROUP) for name, value in values.items()
        }
        monkeypatch.setattr(cli, "_entry_points", lambda: points)

    monkeypatch.setitem(sys.modules, "commands_of_this_test", sys.modules[__name__])
    return put


def test_a_command_gets_its_arguments_and_gives_the_exit_code(offer: Any, capsys: Any) -> None:
    offer(echo="commands_of_this_test:ECHO")
    assert cli.main(["echo", "hello"]) == 3
    assert capsys.readouterr().out == "hello\n"


def test_a_missing_package_is_named_with_what_installs_it(
    offer: Any, capsys: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_much.py").write_text("import a_package_that_nobody_has.part")
    monkeypatch.syspath_prepend(tmp_path)
    offer(serve="needs_much:SERVE", demo="needs_much:DEMO", echo="commands_of_this_test:ECHO")
    assert cli.main(["serve", "--port", "1"]) == 2
    message = capsys.readouterr().err
    assert "'spanwise serve' needs a_package_that_nobody_has" in message
    assert 'pip install "spanwise[server]"' in message
    assert cli.main(["demo"]) == 2
    assert 'pip install "spanwise[demo]"' in capsys.readouterr().err
    assert cli.main(["echo", "still works"]) == 3


def test_help_lists_what_can_run_and_what_is_missing(offer: Any, capsys: Any) -> None:
    offer(echo="commands_of_this_test:ECHO", gone="no_such_module_at_all:GONE", odd=f"{cli.__name__}:GROUP")
    assert cli.main([]) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "echo repeat a word" in shown
    assert "gone (" in shown
    assert "odd (" in shown


def test_an_unknown_command_is_an_error_of_usage(offer: Any, capsys: Any) -> None:
    offer(echo="commands_of_this_test:ECHO")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["no-such-command"])
    assert "no-such-command" in capsys.readouterr().err


def test_an_interrupt_ends_without_a_traceback(offer: Any) -> None:
    offer(stopped="commands_of_this_test:STOPPED")
    assert cli.main(["stopped"]) == 130


def test_a_fault_of_ours_is_not_taken_for_a_missing_package(
    offer: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks.py").write_text("import spanwise.no_such_part")
    monkeypatch.syspath_prepend(tmp_path)
    offer(breaks="breaks:COMMAND")
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        cli.main(["breaks"])


def test_the_version_needs_no_other_package() -> None:
    script = (
        "import sys; from spanwise.cli import main; main(['--version']);"
        "print(sorted({'opentelemetry', 'urllib3', 'fastapi', 'wrapt'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"spanwise {__version__}\n[]\n"
