"""A real `spanwise serve` process, as a user starts it, and a client for its API."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One server over one data folder; it can be killed and started again on the same folder and port."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 30.0) -> "Server":
        command = [sys.executable, "-m", "spanwise", "serve", "--port", str(self.port), "--data-dir"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
        log = open(self.data_dir.parent / "server.log", "a")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, str(self.data_dir), *self.arguments],
            stdout=log,
            stderr=log,
            text=True,
            env=environment,
        )
        log.close()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.log()}")
            try:
                self.get("/readyz")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"the server did not answer within {timeout_s} s: {self.log()}")

    def log(self) -> str:
        return (self.data_dir.parent / "server.log").read_text()[-3000:]

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in (b"{", b"[") else body

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, body, {"content-type": content_type})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture
def port() -> int:
    """A port on loopback that nobody listens at."""
    return free_port()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server over an empty folder."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


@pytest.fixture
def run_app(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program in a process of its own, with a clean environment, bounded in time."""

    def run(code: str, *, timeout_s: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
        path = tmp_path / "app.py"
        path.write_text(code)
        return subprocess.run(
            [sys.executable, str(path)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=clean | environment,
        )

    return run


@pytest.fixture
def otlp() -> Any:
    """The request builders of ``otlp_body.py``, which is no package and so is loaded by its path."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("otlp_body", Path(__file__).with_name("otlp_body.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
