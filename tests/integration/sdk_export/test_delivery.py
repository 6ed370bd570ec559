"""What the endpoint answers decides what becomes of the spans: kept, sent again, counted, said once."""

import gzip
import itertools
import socket
import threading
import time
import zlib
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from spanwise import delivery


def test_a_span_arrives_whole_with_its_content(sink: Any, new_pipeline: Any, record: Any) -> None:
    pipeline = new_pipeline(service_name="shop", headers={"X-Team": "search"})
    parent = pipeline.tracer().start_span("plan", attributes={"gen_ai.operation.name": "invoke_workflow"})
    record(pipeline, text="naïve 日本 \ud800")
    parent.end()
    assert pipeline.flush()
    chat, plan = sorted(sink.spans, key=lambda span: span["name"])
    expected = '[{"role":"user","parts":[{"type":"text","content":"naïve 日本 ?"}]}]'
    assert chat["attributes"] == {"gen_ai.operation.name": "chat", "gen_ai.input.messages": expected}
    assert (plan["name"], plan["parent"]) == ("plan", "")
    assert chat["resource"]["service.name"] == "shop"
    assert chat["resource"]["telemetry.distro.name"] == "spanwise"
    assert chat["resource"]["telemetry.sdk.name"] == "opentelemetry"
    request = sink.received[0]
    assert request.path == "/v1/traces"
    assert request.headers["x-team"] == "search"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["user-agent"].startswith("spanwise/")
    assert pipeline.stats().exported == 2


@pytest.mark.parametrize(
    ("compression", "decompress"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
def test_compression(sink: Any, new_pipeline: Any, record: Any, compression: str, decompress: Any) -> None:
    pipeline = new_pipeline(compression=compression)
    record(pipeline, text="x" * 5000)
    assert pipeline.flush()
    (request,) = sink.received
    assert request.headers["content-encoding"] == compression
    assert len(request.body) < 1000
    assert b"x" * 5000 in decompress(request.body)


def test_spans_are_sent_after_the_delay_without_a_flush(
    sink: Any, new_pipeline: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    record(new_pipeline())
    sink.wait_for(lambda: len(sink.received) == 1)


def test_a_full_batch_is_sent_at_once(
    sink: Any, new_pipeline: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    pipeline = new_pipeline()
    for number in range(25):
        record(pipeline, f"chat {number}")
    sink.wait_for(lambda: len(sink.received) == 2)
    assert [len(request.spans) for request in sink.received] == [10, 10]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_fault_is_tried_again_after_the_time_the_endpoint_asks_for(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any, status: int
) -> None:
    sink.replies = [reply(status, {"retry-after": "0.2"}), reply()]
    pipeline = new_pipeline()
    record(pipeline)
    began = time.monotonic()
    assert pipeline.flush()
    assert time.monotonic() - began >= 0.2
    assert sink.names == ["chat"]
    assert pipeline.stats().exported == 1
    assert log() == []


def test_retry_after_may_be_a_date(sink: Any, reply: Any, new_pipeline: Any, record: Any) -> None:
    sink.replies = [reply(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), reply()]
    pipeline = new_pipeline()
    record(pipeline)
    assert pipeline.flush()
    assert sink.names == ["chat"]


def test_waits_grow_from_attempt_to_attempt(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_DELAY_S", 0.05)
    times: list[float] = []
    sink.replies = [reply(503), reply(503), reply(503), reply()]
    take = sink.take
    sink.take = lambda received: (times.append(received.at), take(received))[1]
    pipeline = new_pipeline()
    record(pipeline)
    assert pipeline.flush()
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert 0.03 < waits[0] < 0.09
    assert 0.15 < waits[2] < 0.4


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_a_refusal_is_final_counted_and_said_once(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any, status: int
) -> None:
    sink.replies = [reply(status, body=b"no such thing")]
    pipeline = new_pipeline()
    for _ in range(3):
        record(pipeline)
        pipeline.flush()
    assert sink.attempts == 3
    assert (pipeline.stats().refused, pipeline.stats().exported) == (3, 0)
    (line,) = log()
    assert f"HTTP {status}" in line
    assert "no such thing" in line


def test_a_partial_success_is_not_sent_again(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="start time is in 1970")
    sink.replies = [reply(body=ExportTraceServiceResponse(partial_success=partial).SerializeToString())]
    pipeline = new_pipeline()
    for _ in range(3):
        for _ in range(5):
            record(pipeline)
        assert pipeline.flush()
    assert sink.attempts == 3
    assert (pipeline.stats().exported, pipeline.stats().refused) == (9, 6)
    (line,) = log()
    assert "2 of 5" in line
    assert "start time is in 1970" in line


def test_a_redirect_is_not_followed(sink: Any, reply: Any, new_pipeline: Any, record: Any) -> None:
    sink.replies = [reply(307, {"location": "/elsewhere"})]
    pipeline = new_pipeline(headers={"authorization": "Bearer secret"})
    record(pipeline)
    pipeline.flush()
    assert sink.attempts == 1
    assert pipeline.stats().refused == 1


def test_a_connection_that_went_stale_is_replaced_at_once(new_pipeline: Any, record: Any, log: Any) -> None:
    """The endpoint closes a kept-alive connection just as the next request arrives on it."""
    connections = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            nonlocal connections
            for answers in (1, 2):
                connection, _ = listener.accept()
                connections += 1
                with connection:
                    for _ in range(answers):
                        _receive(connection)
                        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    _receive(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        pipeline = new_pipeline(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(3):
            record(pipeline)
            assert pipeline.flush(2)
    assert connections == 2
    assert pipeline.stats().exported == 3
    assert log() == []


def test_an_outage_is_one_line_and_its_end_another_and_nothing_is_lost(
    new_sink: Any, new_pipeline: Any, record: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_OUTAGE_AFTER_S", 0.1)
    monkeypatch.setattr(delivery, "_FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(delivery, "_MAX_DELAY_S", 0.05)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    port = _closed_port()
    pipeline = new_pipeline(endpoint=f"http://127.0.0.1:{port}")
    for number in range(40):
        record(pipeline, f"chat {number}")
        time.sleep(0.01)
    assert pipeline.stats().is_failing
    (line,) = log()
    assert f"127.0.0.1:{port} takes no spans" in line
    back = new_sink(port)
    back.wait_for(lambda: len(back.spans) == 40)
    assert pipeline.flush()
    assert len(log()) == 2
    assert "takes spans again" in log()[1]
    assert pipeline.stats().exported == 40
    assert not pipeline.stats().is_failing


@pytest.mark.parametrize("kind", ["stopped", "hanging", "503"])
def test_a_call_takes_no_longer_while_the_endpoint_is_away(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, kind: str
) -> None:
    hold = threading.Event()
    sink.replies = [reply(503) if kind == "503" else reply(gate=hold)]
    endpoint = f"http://127.0.0.1:{_closed_port()}" if kind == "stopped" else sink.url
    pipeline = new_pipeline(endpoint=endpoint, timeout_s=1)
    slowest = 0.0
    for _ in range(3000):
        began = time.perf_counter()
        record(pipeline)
        slowest = max(slowest, time.perf_counter() - began)
    hold.set()
    assert slowest < 0.9, "a call waited for the endpoint, which takes a second to give up"


def test_memory_is_bounded_and_what_does_not_fit_is_counted_and_said_once(
    new_sink: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    port = _closed_port()
    pipeline = new_pipeline(endpoint=f"http://127.0.0.1:{port}", max_queue_bytes=300_000)
    for _ in range(500):
        record(pipeline, text="x" * 3000)
        assert pipeline.stats().queued_bytes <= 300_000
    dropped = pipeline.stats().dropped
    assert 380 < dropped < 480
    assert pipeline.stats().queued == 500 - dropped
    back = new_sink(port)
    assert pipeline.flush()
    assert len(back.spans) == 500 - dropped
    assert [line for line in log() if f"{dropped} spans were dropped" in line]
    assert len(log()) == 1
    assert pipeline.stats().queued_bytes == 0


def test_a_flush_gives_up_after_three_seconds_without_an_answer(
    sink: Any, reply: Any, new_pipeline: Any, record: Any
) -> None:
    hold = threading.Event()
    sink.replies = [reply(gate=hold)]
    pipeline = new_pipeline()
    record(pipeline)
    began = time.monotonic()
    assert not pipeline.flush(30)
    assert 2.8 < time.monotonic() - began < 4
    hold.set()


def test_a_flush_goes_on_while_batches_are_acknowledged(
    sink: Any, reply: Any, new_pipeline: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    take = sink.take
    sink.take = lambda received: (time.sleep(0.7), take(received))[1]
    pipeline = new_pipeline()
    for _ in range(6):
        record(pipeline)
    began = time.monotonic()
    assert pipeline.flush()
    assert time.monotonic() - began > 4
    assert len(sink.spans) == 6


def test_an_endless_answer_is_cut_off(new_pipeline: Any, record: Any) -> None:
    """An endpoint that sends a byte now and then would pass any timeout for a single read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                for _ in range(60):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        pipeline = new_pipeline(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.5)
        record(pipeline)
        began = time.monotonic()
        pipeline.flush(2)
        assert time.monotonic() - began < 2.5
        thread.join()


def test_nothing_is_sent_or_started_before_the_first_span(sink: Any, new_pipeline: Any) -> None:
    before = set(threading.enumerate())
    pipeline = new_pipeline()
    pipeline.tracer()
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("spanwise")]
    assert pipeline.flush()
    assert pipeline.shutdown()
    assert sink.attempts == 0


def test_spans_that_end_after_shutdown_are_ignored_quietly(
    sink: Any, new_pipeline: Any, record: Any, log: Any
) -> None:
    pipeline = new_pipeline()
    late = pipeline.tracer().start_span("late", attributes={"gen_ai.operation.name": "chat"})
    record(pipeline)
    assert pipeline.shutdown()
    late.end()
    record(pipeline)
    assert pipeline.flush()
    assert sink.names == ["chat"]
    assert log() == []


def _receive(connection: socket.socket) -> None:
    """Reads one request."""
    with connection.makefile("rb") as stream:
        size = 0
        while (line := stream.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        stream.read(size)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
