"""``spanwise run``: the program is what it is without us, and its calls are traced."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, sys
def main():
    return dict(name=__name__, file=__file__, argv=sys.argv, path=sys.path, flags=str(sys.flags),
                orig=sys.orig_argv[1:], executable=sys.executable)
if __name__ == "__main__":
    print(json.dumps(main()))
"""
CALL = """
import sys, openai
client = openai.OpenAI(base_url={url!r}, api_key="k", max_retries=0)
client.chat.completions.create(model=sys.argv[1], messages=[dict(role="user", content="hi")])
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**added: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANWISE_"))}
    return kept | added


@pytest.fixture(scope="module")
def chat_url() -> str:
    """The stub of a chat server that the system tests use, too."""
    path = Path(__file__).parents[2] / "system" / "openai_stub.py"
    spec = importlib.util.spec_from_file_location("openai_stub", path)
    assert spec is not None
    assert spec.loader is not None
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)
    return str(stub.serve())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder of its own."""

    def start(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.mark.parametrize(
    "command",
    [
        ("app.py", "--help", "-m", "x y", "--"),
        ("./app.py",),
        ("-m", "app", "-h"),
        ("-m", "package.app", "--version"),
        ("package",),
        ("-c", PROGRAM.replace("__file__", "1"), "-v"),
    ],
    ids=lambda command: command[0] + command[1][:8] if len(command) > 1 else command[0],
)
def test_the_program_sees_what_it_sees_without_us(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "app.py").write_text("from app import main, json; print(json.dumps(main()))")
    (tmp_path / "package" / "__main__.py").write_text(PROGRAM)
    plain = run(*command)
    ours = run("-m", "spanwise", "run", *command)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr) == (0, "")
    assert json.loads(ours.stdout) == json.loads(plain.stdout)


@pytest.mark.parametrize(
    ("body", "code"),
    [("import sys; sys.exit(7)", 7), ("raise SystemExit('bye')", 1), ("1/0", 1), ("", 0)],
)
def test_the_exit_code_and_the_traceback_are_the_programs(
    run: Run, tmp_path: Path, body: str, code: int
) -> None:
    (tmp_path / "app.py").write_text(body)
    plain, ours = run("app.py"), run("-m", "spanwise", "run", "app.py")
    assert ours.returncode == plain.returncode == code
    assert ours.stderr == plain.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals: there are none on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_the_program_itself(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "app.py").write_text(
        "import signal, sys, os\n"
        f"signal.signal({int(number)}, lambda *_: (print('caught', flush=True), os._exit(9)))\n"
        "print(os.getpid(), flush=True)\nsignal.pause()\n"
    )
    command = [sys.executable, "-m", "spanwise", "run", "app.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == child.pid, "the same process, so that supervisors see it"
        child.send_signal(number)
        assert child.stdout.read() == "caught\n"
        assert child.wait(30) == 9


def test_calls_are_traced_with_the_settings_of_the_command_line(
    run: Run, tmp_path: Path, sink: Any, chat_url: str
) -> None:
    (tmp_path / "app.py").write_text(CALL.format(url=chat_url))
    options = ("--endpoint", sink.url, "--service-name", "shop", "--environment", "staging", "--no-content")
    done = run("-m", "spanwise", "run", *options, "app.py", "m1")
    assert (done.returncode, done.stderr) == (0, "")
    (span,) = sink.spans
    assert span["name"] == "chat m1"
    assert span["resource"]["service.name"] == "shop"
    assert span["resource"]["deployment.environment.name"] == "staging"
    assert not any("messages" in key for key in span["attributes"])


def test_processes_below_are_traced_too(run: Run, tmp_path: Path, sink: Any, chat_url: str) -> None:
    (tmp_path / "call.py").write_text(CALL.format(url=chat_url))
    (tmp_path / "app.py").write_text(
        "import multiprocessing, os, runpy, subprocess, sys\n"
        "def work(name):\n    sys.argv = ['call.py', name]\n    runpy.run_path('call.py')\n"
        "if __name__ == '__main__':\n"
        "    subprocess.run([sys.executable, 'call.py', 'by-subprocess'], check=True)\n"
        "    for method in ('spawn', 'fork'):\n"
        "        child = multiprocessing.get_context(method).Process(target=work, args=('by-' + method,))\n"
        "        child.start(); child.join(); assert child.exitcode == 0\n"
        "    os.execv(sys.executable, [sys.executable, 'call.py', 'by-exec'])\n"
    )
    done = run("-m", "spanwise", "run", "--endpoint", sink.url, "app.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert sink.names == ["chat by-exec", "chat by-fork", "chat by-spawn", "chat by-subprocess"]


def test_a_console_command_is_found_beside_the_interpreter(
    run: Run, tmp_path: Path, sink: Any, chat_url: str
) -> None:
    (tmp_path / "test_call.py").write_text(
        "def test_call():\n    import sys; sys.argv = ['', 'under-pytest']\n"
        + "".join(f"    {line}\n" for line in CALL.format(url=chat_url).splitlines())
    )
    done = run(
        "-m", "spanwise", "run", "--endpoint", sink.url, "pytest", "-q", "-p", "no:cacheprovider", PATH="/bin"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sink.names == ["chat under-pytest"]


def test_the_environments_own_sitecustomize_still_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.own = __file__")
    (tmp_path / "app.py").write_text(
        "import sys, sitecustomize\n"
        "print(sys.own == sitecustomize.__file__, len([p for p in sys.path if 'autoload' in p]))\n"
    )
    done = run("-m", "spanwise", "run", "app.py", PYTHONPATH=str(tmp_path / "site"))
    assert (done.stdout, done.stderr) == ("True 0\n", "")


def test_an_instrument_of_the_apps_own_wins_and_nothing_comes_twice(
    run: Run, tmp_path: Path, sink: Any, chat_url: str
) -> None:
    (tmp_path / "app.py").write_text(
        "import spanwise\nspanwise.instrument(service_name='own')\n" + CALL.format(url=chat_url)
    )
    done = run("-m", "spanwise", "run", "app.py", "m", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [span["resource"]["service.name"] for span in sink.spans] == ["own"]


@pytest.mark.parametrize("body", ["raise RuntimeError('broken')", "import nowhere"])
def test_a_python_that_cannot_load_us_runs_the_program(run: Run, tmp_path: Path, body: str) -> None:
    """A child of another environment inherits PYTHONPATH, but not Spanwise."""
    (tmp_path / "broken" / "spanwise").mkdir(parents=True)
    (tmp_path / "broken" / "spanwise" / "__init__.py").write_text("")
    (tmp_path / "broken" / "spanwise" / "lifecycle.py").write_text(
        "def instrument_from_environment(**settings):\n    raise RuntimeError('broken')"
        if "broken" in body
        else body
    )
    (tmp_path / "child.py").write_text("print('ran')")
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys\n"
        "paths = os.environ['PYTHONPATH'].split(os.pathsep)\n"
        "os.environ['PYTHONPATH'] = os.pathsep.join([paths[0], 'broken'])\n"
        "sys.exit(subprocess.call([sys.executable, 'child.py']))\n"
    )
    done = run("-m", "spanwise", "run", "app.py")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == ("spanwise run: not traced: RuntimeError: broken\n" if "broken" in body else "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("no-such-program",), 127, "'no-such-program' is neither a file nor a command on PATH"),
        ((), 2, "name a script, a module (-m) or a command"),
        (("-m",), 2, "name a script, a module (-m) or a command"),
    ],
)
def test_what_cannot_be_run_is_said(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = run("-m", "spanwise", "run", *words)
    assert done.returncode == code
    assert said in done.stderr
