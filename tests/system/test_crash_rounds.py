"""Fifty times: kill the server while it is written to, start it again, look for what it acknowledged."""

import threading
from typing import Any

import pytest

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

ROUNDS = 50
SENDERS = 3
SPANS_A_REQUEST = 20


def send_until_killed(
    server: Any, otlp: Any, sender: int, acknowledged: set[str], some: threading.Event
) -> None:
    """Sends requests of new traces until the connection breaks; notes the traces of each 200."""
    for request in range(10_000):
        first = server.round * 10**9 + (sender * 10_000 + request) * SPANS_A_REQUEST + 1
        spans = [otlp.chat_span(first + n, 1) for n in range(SPANS_A_REQUEST)]
        try:
            status, _ = server.post("/v1/traces", otlp.request_body(spans), "application/json")
        except OSError:
            return  # killed: this request was never acknowledged
        if status == 200:
            acknowledged.update(span["traceId"] for span in spans)
            some.set()


def test_no_acknowledged_span_is_lost_in_fifty_crashes(server: Any, otlp: Any) -> None:
    acknowledged: set[str] = set()
    for server.round in range(ROUNDS):
        enough = [threading.Event() for _ in range(SENDERS)]
        found: list[set[str]] = [set() for _ in range(SENDERS)]
        threads = [
            threading.Thread(target=send_until_killed, args=(server, otlp, n, found[n], enough[n]))
            for n in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        for event in enough:
            assert event.wait(30)
        server.kill()
        for thread in threads:
            thread.join(30)
        server.start()
        acknowledged.update(*found)
    stored: set[str] = set()
    cursor = ""
    while True:
        page = server.get(f"/api/v1/traces?limit=500{cursor}")
        assert all(item["span_count"] == 1 for item in page["items"])
        stored.update(item["trace_id"] for item in page["items"])
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert acknowledged - stored == set()
    print(f"\n{ROUNDS} crashes, {len(acknowledged)} acknowledged spans, 0 lost, {len(stored)} stored")
