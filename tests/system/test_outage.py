"""A collector that is away, hanging or overloaded costs the app nothing, and the app's exit little."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

APP = """
import sys, time; sys.path.insert(0, {stubs!r})
import openai_stub, spanwise, openai
client = openai.OpenAI(api_key="sk-test", base_url=openai_stub.serve(), max_retries=0)
spanwise.instrument(endpoint={endpoint!r}, service_name="outage")
slowest = 0.0
for n in range(200):
    began = time.perf_counter()
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "x" * 1000}}])
    slowest = max(slowest, time.perf_counter() - began)
print(f"slowest {{slowest:.3f}}")
"""


class Overloaded(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture(params=["stopped", "hanging", "answers 503"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "stopped":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    elif request.param == "hanging":
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    else:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Overloaded)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()


def test_calls_go_on_one_line_is_logged_and_the_exit_is_bounded(endpoint: str, run_app: Any) -> None:
    began = time.monotonic()
    done = run_app(APP.format(stubs=str(Path(__file__).parent), endpoint=endpoint), timeout_s=45)
    took = time.monotonic() - began
    assert done.returncode == 0
    assert float(done.stdout.split()[1]) < 0.5, "a call waited for the collector"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) <= 2, done.stderr  # one for the outage, one at exit that counts what was lost
    assert "200" in lines[-1], "the spans that were lost are counted"
    assert took < 20, f"3 s without progress should end the process; the whole run took {took:.1f} s"
