"""A 200 means that the spans are durable, and what is sent twice counts once."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


def all_traces(server: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = server.get(f"/api/v1/traces?limit=200{cursor}")
        items += page["items"]
        if not page["next_cursor"]:
            return items
        cursor = f"&cursor={page['next_cursor']}"


def test_every_acknowledged_span_survives_kill_9_and_a_resent_batch_counts_once(
    server: Any, otlp: Any
) -> None:
    start = time.time_ns() - 60_000_000_000
    batches = [
        [otlp.chat_span(100 * b + i + 1, 1, start_ns=start + b * 1000 + i) for i in range(20)]
        for b in range(25)
    ]

    def send(batch: list[dict[str, Any]]) -> int:
        return int(server.post("/v1/traces", otlp.request_body(batch), "application/json")[0])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, batches)) == {200}
    server.kill()
    server.start()
    assert len(all_traces(server)) == 500

    before = all_traces(server)
    assert send(batches[-1]) == 200  # unchanged
    changed = [
        otlp.chat_span(2400 + i + 1, 1, start_ns=start + 24 * 1000 + i, **{"app.note": "resent"})
        for i in range(20)
    ]
    assert send(changed) == 200
    after = all_traces(server)
    assert [t["trace_id"] for t in after] == [t["trace_id"] for t in before]
    assert sum(t["span_count"] for t in after) == 500
    assert sum(t["input_tokens"] for t in after) == 500_000
    assert sum(t["cost_usd"] for t in after) == pytest.approx(sum(t["cost_usd"] for t in before))
    (service,) = server.get("/api/v1/facets")["facets"]["service"]
    assert service == {"value": "system-test", "count": 500}
    span = server.get(f"/api/v1/traces/{2401:032x}")["spans"]
    assert len(span) == 1
    assert span[0]["attributes"]["app.note"] == "resent"
