"""Servers that fork, task queues, notebooks, bursts: every span that was recorded is in the store."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STUBS = str(Path(__file__).parent)
WEB_APP = """
import os, sys; sys.path.insert(0, {stubs!r})
import openai, openai_stub, spanwise
model_url = openai_stub.serve() if not os.environ.get("MODEL_URL") else os.environ["MODEL_URL"]
spanwise.instrument(endpoint={endpoint!r}, service_name="web")

@spanwise.workflow
def answer():
    client = openai.OpenAI(api_key="k", base_url=model_url, max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "hi"}}])
    return str(os.getpid())
{preload}
"""
WSGI = """
def app(environ, start_response):
    body = answer().encode()
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    body = answer().encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
"""
REQUESTS = 40


def span_counts(server: Any) -> dict[str, int]:
    return {each["value"]: each["count"] for each in server.get("/api/v1/facets")["facets"]["name"]}


@pytest.fixture
def model_url() -> Iterator[str]:
    """A model server outside of the processes that fork."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("openai_stub.py"))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(10)
    process.stdout.close()


@contextmanager
def running(
    command: list[str], folder: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWISE_"))}
    log = folder / "app.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            stdout=output,
            stderr=output,
            text=True,
            env=clean | environment,
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def pids_that_answer(port: int, log: Path) -> set[str]:
    pids: list[str] = []
    deadline = time.monotonic() + 40
    while len(pids) < REQUESTS:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                pids.append(answer.read().decode())
        except OSError:
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.05)
    return set(pids)


@pytest.mark.parametrize(
    ("app", "command"),
    [
        pytest.param(WSGI, ["gunicorn", "web:app", "-w", "2", "-b"], id="gunicorn"),
        pytest.param(WSGI, ["gunicorn", "web:app", "-w", "2", "--preload", "-b"], id="gunicorn-preload"),
        pytest.param(ASGI, ["uvicorn", "web:app", "--workers", "2", "--port"], id="uvicorn-workers"),
    ],
)
def test_workers_of_a_web_server(
    server: Any, tmp_path: Path, model_url: str, port: int, app: str, command: list[str]
) -> None:
    preload = "answer()\n" + app  # the parent has already traced, and has a live export thread, when it forks
    (tmp_path / "web.py").write_text(WEB_APP.format(stubs=STUBS, endpoint=server.url, preload=preload))
    address = f"127.0.0.1:{port}" if "gunicorn" in command else str(port)
    with running([*command, address], tmp_path, MODEL_URL=model_url) as (process, log):
        pids_that_answer(port, log)
        process.terminate()
        process.wait(30)
    counts = span_counts(server)
    at_import = 1 if "--preload" in command else 2  # uvicorn and gunicorn import the app once a worker
    assert counts["chat gpt-4o"] == REQUESTS + at_import, log.read_text()[-3000:]
    assert counts["invoke_workflow answer"] == REQUESTS + at_import
    assert "spanwise" not in log.read_text()


CELERY_APP = """
import sys; sys.path.insert(0, {stubs!r})
import os, celery, openai, spanwise
spanwise.instrument(endpoint={endpoint!r}, service_name="tasks")
app = celery.Celery("tasks", broker="filesystem://", backend="file://" + {results!r})
app.conf.broker_transport_options = {{
    "data_folder_in": {queue!r}, "data_folder_out": {queue!r}, "control_folder": {control!r},
}}

@app.task
@spanwise.workflow
def summarise(n):
    client = openai.OpenAI(api_key="k", base_url={model_url!r}, max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": str(n)}}])
    return n

def main():
    results = [summarise.delay(n) for n in range(20)]
    print(sum(each.get(timeout=60) for each in results))
"""


def test_tasks_of_celery_workers_that_fork(server: Any, tmp_path: Path, model_url: str) -> None:
    folders = {name: tmp_path / name for name in ("results", "queue", "control")}
    for folder in folders.values():
        folder.mkdir()
    paths = {name: str(folder) for name, folder in folders.items()}
    code = CELERY_APP.format(stubs=STUBS, endpoint=server.url, model_url=model_url, **paths)
    (tmp_path / "tasks.py").write_text(code)
    command = ["celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    with running(command, tmp_path) as (process, log):
        done = subprocess.run(
            [sys.executable, "-c", "import tasks; tasks.main()"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.stdout == "190\n", done.stderr + log.read_text()[-3000:]
        process.terminate()
        process.wait(30)
    assert span_counts(server)["chat gpt-4o"] == 20, log.read_text()[-3000:]


NOTEBOOK = (
    "import sys; sys.path.insert(0, {stubs!r}); import openai, openai_stub, spanwise",
    "spanwise.instrument(endpoint={endpoint!r}, service_name='notebook')",
    "spanwise.instrument(endpoint={endpoint!r}, service_name='notebook')  # the cell is run again",
    "client = openai.AsyncOpenAI(api_key='k', base_url=openai_stub.serve())\n"
    "question = [dict(role='user', content='hi')]",
    "with spanwise.span('cell'):\n"
    "    stream = await client.chat.completions.create(model='gpt-4o', messages=question, stream=True)\n"
    "    text = ''.join([each.choices[0].delta.content or '' async for each in stream])",
    "import asyncio\n"
    "ask = lambda: client.chat.completions.create(model='gpt-4o', messages=question)\n"
    "answers = await asyncio.gather(ask(), ask(), ask())",
    "print(text, len(answers), spanwise.flush())",
)


def test_a_notebook_with_top_level_await(server: Any, tmp_path: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    printed: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        if message["msg_type"] in ("stream", "error"):
            printed.append(json.dumps(message["content"]))

    try:
        for cell in NOTEBOOK:
            code = cell.format(stubs=STUBS, endpoint=server.url)
            reply = client.execute_interactive(code, timeout=60, output_hook=collect)
            assert reply["content"]["status"] == "ok", printed
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [json.loads(each)["text"] for each in printed] == ["Paris is it. 3 True\n"]
    assert span_counts(server) == {"chat gpt-4o": 4, "cell": 1}
    traces = server.get("/api/v1/traces")["items"]
    assert sorted(each["span_count"] for each in traces) == [1, 1, 1, 2]


BURST = """
import sys, threading
import httpx2 as httpx
import openai, spanwise
message = {{"role": "assistant", "content": "x" * 500}}
body = {{
    "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o",
    "choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}],
}}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
http = httpx.Client(transport=transport)
client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1", http_client=http)
question = [{{"role": "user", "content": "hello " * 80}}]
spanwise.instrument(endpoint={endpoint!r}, service_name="burst")

def ask():
    for _ in range({calls} // {threads}):
        client.chat.completions.create(model="gpt-4o", messages=question)

threads = [threading.Thread(target=ask) for _ in range({threads})]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("threads", [1, 8])
def test_a_burst_of_twenty_thousand_calls_then_exit(server: Any, run_app: Any, threads: int) -> None:
    done = run_app(BURST.format(endpoint=server.url, calls=20_000, threads=threads), timeout_s=110)
    assert (done.returncode, done.stderr) == (0, "")
    assert span_counts(server) == {"chat gpt-4o": 20_000}
