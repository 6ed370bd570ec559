"""``spanwise serve`` and ``spanwise demo`` as processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
RUN = [sys.executable, "-c", "import sys; from spanwise.cli import main; sys.exit(main())"]
READY = re.compile(r"http://127\.0\.0\.1:\d+")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_", "OPENAI_"))}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*RUN, *arguments], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def get(url: str):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_serve_prints_its_url_when_it_answers_and_ends_cleanly(start, tmp_path: Path):
    before = time.perf_counter()
    process = start("serve", "--port", str(free_port()), "--data-dir", str(tmp_path))
    line = process.stdout.readline()
    elapsed = time.perf_counter() - before
    url = READY.search(line)
    assert url is not None, line
    with urllib.request.urlopen(f"{url.group()}/healthz", timeout=5) as answer:
        assert answer.status == 200
    assert elapsed < 10, f"{elapsed:.1f} s to the first healthy answer"  # 2.5 on a quiet machine
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""
    again = start("serve", "--port", str(free_port()), "--data-dir", str(tmp_path))
    assert READY.search(again.stdout.readline())  # the folder was given back


def test_a_taken_port_is_named_with_the_fix(start, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("serve", "--port", str(port), "--data-dir", str(tmp_path))
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use" in errors
    assert f"--port {port + 1}" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())  # told before the database was touched


def test_a_locked_folder_is_named(start, tmp_path: Path):
    first = start("serve", "--port", str(free_port()), "--data-dir", str(tmp_path))
    first.stdout.readline()
    second = start("serve", "--port", str(free_port()), "--data-dir", str(tmp_path))
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert str(tmp_path) in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("has_files", [False, True])
def test_a_certificate_that_cannot_be_used_is_named(start, tmp_path: Path, has_files: bool):
    certificate = tmp_path / "certificate.pem"
    if has_files:
        certificate.write_text("not a certificate")
    files = ("--tls-cert", str(certificate), "--tls-key", str(certificate))
    process = start("serve", "--port", str(free_port()), "--data-dir", str(tmp_path / "data"), *files)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert str(certificate) in errors
    assert "--tls-key" in errors
    assert "Traceback" not in errors


def test_a_network_address_without_login_is_refused(start, tmp_path: Path):
    process = start("serve", "--host", "0.0.0.0", "--port", str(free_port()), "--data-dir", str(tmp_path))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "SPANWISE_UI_PASSWORD" in errors


@pytest.mark.slow
def test_a_base_url_that_is_none_is_named(start):
    process = start("demo", "--fresh", "--base-url", "localhost:8000/v1")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--base-url='localhost:8000/v1' is not an HTTP address" in errors


def test_an_endpoint_that_does_not_answer_is_told_in_words(start):
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    process = start("demo", "--fresh", "--port", str(free_port()), "--base-url", base_url, "--seconds", "0")
    _, errors = process.communicate(timeout=60)
    assert f"{base_url}/ does not answer as needed: Connection error." in errors
    assert "Traceback" not in errors


def test_the_demo_leaves_traces_of_every_kind(start):
    process = start("demo", "--fresh", "--port", str(free_port()))
    said = ""
    while "Look at the traces" not in said:
        line = process.stdout.readline()
        assert line, f"the demo ended: {said} {process.stderr.read()}"
        said += line
    assert "There is no model behind it" in said
    found = READY.search(said)
    assert found is not None
    url = found.group()
    traces = get(f"{url}/api/v1/traces?limit=200")["items"]
    assert len(traces) >= 60
    sessions = get(f"{url}/api/v1/sessions?limit=100")["items"]
    assert len(sessions) >= 20
    failed = [trace for trace in traces if trace["status"] == "error"]
    assert 4 <= len(failed) <= 20
    assert any(trace["cost_usd"] for trace in traces)
    spans = [span for t in traces[:40] for span in get(f"{url}/api/v1/traces/{t['trace_id']}")["spans"]]
    operations = {span["operation"] for span in spans}
    assert operations >= {
        "chat",
        "embeddings",
        "retrieval",
        "execute_tool",
        "invoke_agent",
        "invoke_workflow",
    }
    assert any(span["time_to_first_chunk_ns"] for span in spans)
    assert any(span["reasoning_output_tokens"] for span in spans)
    assert any(span["cached_input_tokens"] for span in spans)
    assert any(span["cost_status"] == "unpriced" for span in spans)
    unknown = [
        s for s in spans if s["operation"] == "chat" and not s["output_messages"] and s["status"] != "error"
    ]
    assert unknown == []
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
