"""``spanwise demo``: a server of its own, the example application beside it, and a URL to look at."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

OFFLINE = (
    "No OPENAI_API_KEY and no --base-url: a small local server speaks OpenAI's protocol and answers by\n"
    "extracting sentences from the retrieved text. There is no model behind it and nothing is billed;\n"
    "costs on the pages are what the named models would have cost."
)
REAL = "Answers come from the real endpoint {target}; its usage is billed to your key."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the server's flags and the demo's own."""
    from spanwise_collector.commands import add_server_arguments

    add_server_arguments(parser)
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint to ask instead of the local one")
    parser.add_argument("--model", help="use this model for every question, e.g. the one your endpoint has")
    parser.add_argument("--rounds", type=int, default=2, help="how often every conversation is held")
    parser.add_argument("--seconds", type=float, help="stop this many seconds after the traces are there")
    parser.add_argument(
        "--fresh", action="store_true", help="use a temporary data folder and remove it at the end"
    )


def run_demo(namespace: argparse.Namespace) -> int:
    """Runs the server until it is told to stop; returns the exit code."""
    if namespace.base_url and urlsplit(namespace.base_url).scheme not in ("http", "https"):
        print(f"spanwise: --base-url={namespace.base_url!r} is not an HTTP address", file=sys.stderr)
        print("  e.g. --base-url http://127.0.0.1:8000/v1", file=sys.stderr)
        return 2
    if namespace.fresh:
        with tempfile.TemporaryDirectory(prefix="spanwise-demo-") as folder:
            namespace.data_dir = Path(folder)
            return _run(namespace)
    if namespace.data_dir is None and not os.environ.get("SPANWISE_DATA_DIR"):
        from spanwise_collector.settings import default_data_dir

        namespace.data_dir = default_data_dir().with_name("spanwise-demo")
    return _run(namespace)


def _run(namespace: argparse.Namespace) -> int:
    from spanwise_dashboards.commands import run

    application = Application(namespace)
    try:
        return run(namespace, when_ready=application.start)
    finally:
        application.stop()


class Application:
    """The example application as a child process, started once the server answers."""

    def __init__(self, namespace: argparse.Namespace) -> None:
        self._options = namespace
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopping = threading.Event()

    def start(self, url: str) -> None:
        """Starts the application, waits for its end and says where to look."""
        target = self._options.base_url or (
            "https://api.openai.com" if os.environ.get("OPENAI_API_KEY") else None
        )
        print(f"Spanwise demo: server on {url}", flush=True)
        print(REAL.format(target=target) if target else OFFLINE, flush=True)
        command = [sys.executable, "-m", "spanwise_dashboards.demo.app", "--endpoint", url]
        command += ["--rounds", str(self._options.rounds)]
        command += ["--base-url", self._options.base_url] if self._options.base_url else []
        command += ["--model", self._options.model] if self._options.model else []
        # A session of its own: Ctrl+C is for the server, which then ends the application in order.
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            command, env=self._environment(), start_new_session=True
        )
        status = self._child.wait()
        if self._is_stopping.is_set():
            return
        if status != 0:
            print(f"The example application failed with exit code {status}; see above.", file=sys.stderr)
        print(f"Look at the traces: {url}/traces?range=1h\n  Stop it with Ctrl+C.", flush=True)
        if self._options.seconds is not None:
            time.sleep(self._options.seconds)
            os.kill(os.getpid(), signal.SIGINT)

    def _environment(self) -> dict[str, str]:
        """The child's environment: the demo's server gets its traces, whatever the user's shell exports."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        if self._options.ingest_key:
            kept["SPANWISE_API_KEY"] = self._options.ingest_key
        return kept

    def stop(self) -> None:
        """Ends the application if it still runs."""
        self._is_stopping.set()
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
