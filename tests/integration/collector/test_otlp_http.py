"""The receiver over HTTP: statements 1 to 23, 32 to 36, 42 and 43 of the OTLP reference."""

import asyncio
import gzip
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanwise_collector import otlp_http
from spanwise_collector.errors import BadRequest, Unavailable
from spanwise_collector.model import Score, Span, Vector

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


def protobuf(count: int = 1, name: str = "s") -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    now = time.time_ns()
    for _ in range(count):
        group.spans.add(
            trace_id=secrets.token_bytes(16),
            span_id=secrets.token_bytes(8),
            name=name,
            start_time_unix_nano=now,
            end_time_unix_nano=now,
        )
    return request.SerializeToString()


def is_status(response: httpx.Response, encoding: str) -> bool:
    """True for a google.rpc.Status in that encoding, with a message."""
    if encoding == "json":
        is_type = response.headers["content-type"] == "application/json"
        return is_type and isinstance(response.json()["message"], str) and response.json()["message"] != ""
    # field 1 is the code, field 2 the message
    return response.headers["content-type"] == "application/x-protobuf" and b"\x12" in response.content[:4]


async def test_01_and_33_protobuf_is_answered_with_an_empty_protobuf(serve: Any) -> None:
    async with serve() as client:
        answer = await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert answer.content == b""


async def test_02_and_03_json_is_answered_with_an_empty_object(serve: Any, otlp: Any, body: Any) -> None:
    async with serve() as client:
        for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
            answer = await client.post("/v1/traces", content=body(otlp()), headers={"content-type": kind})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert answer.text == "{}"


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/grpc"}]
)
async def test_04_another_content_type_is_415(headers: dict[str, str], serve: Any) -> None:
    async with serve() as client:
        answer = await client.post("/v1/traces", content=protobuf(), headers=headers)
    assert answer.status_code == 415
    assert is_status(answer, "json")


async def test_05_and_20_wrong_methods_are_405_and_wrong_paths_404(serve: Any) -> None:
    async with serve() as client:
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = await client.request(method, "/v1/traces", headers=PROTOBUF)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert is_status(answer, "protobuf")
        for path in ("/v1/spans", "/v1/", "/v1/traces/x", "/v1/metrics"):
            answer = await client.post(path, content=b"", headers=JSON)
            assert answer.status_code == 404
            assert is_status(answer, "json")


async def test_07_and_08_empty_requests_succeed_and_store_nothing(serve: Any) -> None:
    async with serve() as client:
        assert (await client.post("/v1/traces", content=b"", headers=PROTOBUF)).status_code == 200
        for text in ("{}", '{"resourceSpans":[{}]}', '{"resourceSpans":[{"scopeSpans":[{}]}]}', ""):
            answer = await client.post("/v1/traces", content=text, headers=JSON)
            assert (answer.status_code, answer.text) == (200, "{}")


async def test_09_compressed_bodies_of_both_encodings(serve: Any, otlp: Any, body: Any) -> None:
    async with serve() as client:
        for content, headers in ((protobuf(3), PROTOBUF), (body(otlp()), JSON)):
            half = len(content) // 2
            packed = gzip.compress(content[:half]) + gzip.compress(content[half:])
            answer = await client.post(
                "/v1/traces", content=packed, headers={**headers, "content-encoding": "gzip"}
            )
            assert answer.status_code == 200


@pytest.mark.parametrize(("headers", "encoding"), [(JSON, "json"), (PROTOBUF, "protobuf")])
async def test_10_11_12_and_21_undecodable_bodies_are_400_in_the_requests_encoding(
    headers: dict[str, str], encoding: str, serve: Any
) -> None:
    async with serve() as client:
        plain = await client.post("/v1/traces", content=b'{"resourceSpans": [', headers=headers)
        packed = await client.post(
            "/v1/traces", content=b"\x1f\x8bgarbage", headers={**headers, "content-encoding": "gzip"}
        )
    for answer in (plain, packed):
        assert answer.status_code == 400
        assert is_status(answer, encoding)
    if encoding == "json":
        assert plain.json()["details"][0]["@type"].endswith("google.rpc.BadRequest")


async def test_13_bodies_over_the_limit_are_413_packed_or_not(serve: Any) -> None:
    taken: list[int] = []
    async with serve(max_body_bytes=100_000) as client:
        big = await client.post("/v1/traces", content=bytes(100_001), headers=PROTOBUF)

        async def pieces() -> Any:
            for number in range(15):
                taken.append(number)
                yield bytes(10_000)

        chunked = await client.post("/v1/traces", content=pieces(), headers=PROTOBUF)
        bomb = await client.post(
            "/v1/traces",
            content=gzip.compress(bytes(50_000_000)),
            headers={**PROTOBUF, "content-encoding": "gzip"},
        )
    assert [big.status_code, chunked.status_code, bomb.status_code] == [413] * 3
    assert len(taken) == 15, "a sender that is cut off while it writes never reads the 413"


async def test_15_an_unknown_content_encoding_is_415(serve: Any) -> None:
    async with serve() as client:
        answer = await client.post("/v1/traces", content=b"x", headers={**JSON, "content-encoding": "br"})
    assert answer.status_code == 415
    assert "gzip" in answer.json()["message"]


async def test_16_the_key_is_checked_before_the_body_is_read(serve: Any) -> None:
    read = []

    async def pieces() -> Any:
        read.append(1)
        yield protobuf()

    async with serve(ingest_key="k") as client:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            answer = await client.post("/v1/traces", content=pieces(), headers={**PROTOBUF, **headers})
            assert answer.status_code == 401
            assert is_status(answer, "protobuf")
        fine = await client.post("/v1/traces", content=protobuf(), headers={**PROTOBUF, "x-api-key": "k"})
    assert fine.status_code == 200
    assert read == []


class Broken:
    """A store that fails on purpose."""

    def __init__(self) -> None:
        self.error: Exception | None = Unavailable("no disk")
        self.stored: list[Span] = []

    def insert_spans(self, spans: Sequence[Span]) -> None:
        if self.error is not None:
            raise self.error
        if any(span.name == "poison" for span in spans):
            raise BadRequest("poison")
        self.stored += spans

    def insert_scores(self, scores: Sequence[Score]) -> None:
        assert not scores, "spans without evaluations make no scores"

    def insert_vectors(self, vectors: Sequence[Vector]) -> None:
        assert not vectors, "spans without vectors have none"


@pytest.mark.parametrize("error", [Unavailable("no disk"), RuntimeError("anything")])
async def test_18_and_42_a_failing_store_is_503_and_nothing_is_acknowledged(
    error: Exception, serve: Any
) -> None:
    backend = Broken()
    backend.error = error
    async with serve(backend=backend) as client:
        answer = await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert is_status(answer, "protobuf")
        backend.error = None
        assert (await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)).status_code == 200
    assert len(backend.stored) == 1


async def test_poison_is_refused_alone_while_its_neighbours_are_stored(serve: Any) -> None:
    backend = Broken()
    backend.error = None
    async with serve(backend=backend) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/v1/traces",
                    content=protobuf(3) + protobuf(1, "poison" if n == 2 else "s"),
                    headers=PROTOBUF,
                )
                for n in range(5)
            )
        )
        counters = (await client.get("/metrics")).text
    rejected = [ExportTraceServiceResponse.FromString(answer.content).partial_success for answer in answers]
    assert [partial.rejected_spans for partial in rejected] == [0, 0, 1, 0, 0]
    assert len(backend.stored) == 19
    assert 'spanwise_spans_rejected_total{reason="refused_by_the_store"} 1.0' in counters


async def test_19_the_rate_limit_answers_429_in_whole_seconds(serve: Any) -> None:
    async with serve(max_spans_per_second=1) as client:
        assert (await client.post("/v1/traces", content=protobuf(10), headers=PROTOBUF)).status_code == 200
        answer = await client.post("/v1/traces", content=protobuf(5), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


async def test_a_full_queue_answers_503_before_memory_grows(serve: Any) -> None:
    async with serve(max_queue_bytes=2000) as client:
        writer = client.app.state.writer
        held = writer.reserve()
        writer.grow(held, 1990)
        answer = await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)
        held.close()
        again = await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)
    assert (answer.status_code, again.status_code) == (503, 200)
    assert answer.headers["retry-after"] == "5"


async def test_22_preflight_succeeds_only_for_configured_origins(serve: Any) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    async with serve(cors_origins=("https://app.example",)) as client:
        good = await client.options("/v1/traces", headers={"origin": "https://app.example", **ask})
        bad = await client.options("/v1/traces", headers={"origin": "https://evil.example", **ask})
        sent = await client.post(
            "/v1/traces", content=protobuf(), headers={**PROTOBUF, "origin": "https://app.example"}
        )
        read = await client.get("/api/v1/traces", headers={"origin": "https://app.example"})
        assert "access-control-allow-origin" not in read.headers
    async with serve() as client:
        off = await client.options("/v1/traces", headers={"origin": "https://app.example", **ask})
    assert good.headers["access-control-allow-origin"] == "https://app.example"
    assert good.headers["access-control-max-age"] == "7200"
    assert "access-control-allow-origin" not in bad.headers
    assert (bad.status_code, off.status_code, sent.status_code) == (400, 405, 200)


async def test_23_a_trailing_slash_and_a_configured_prefix_work(serve: Any) -> None:
    async with serve(otlp_path_prefixes=("/api/public/otel/",)) as client:
        for path in ("/v1/traces/", "/api/public/otel/v1/traces", "/api/public/otel/v1/traces/"):
            answer = await client.post(path, content=protobuf(), headers=PROTOBUF)
            assert answer.status_code == 200, path


async def test_32_one_bad_span_among_ten_is_reported_and_nine_are_stored(
    serve: Any, otlp: Any, body: Any
) -> None:
    spans = [otlp() for _ in range(10)]
    spans[4]["traceId"] = "0" * 32
    async with serve() as client:
        answer = await client.post("/v1/traces", content=body(*spans), headers=JSON)
        for place, span in enumerate(spans):
            found = await client.get(f"/api/v1/traces/{span['traceId']}")
            assert found.status_code == (404 if place == 4 else 200)
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert "trace id" in partial["errorMessage"]


async def test_34_a_warning_has_no_rejected_spans(serve: Any) -> None:
    broken = protobuf(name="abcdef").replace(b"abcdef", b"ab\xff\xfeef")
    async with serve() as client:
        answer = await client.post("/v1/traces", content=broken, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, "U+FFFD" in partial.error_message) == (0, True)


async def test_spans_of_an_impossible_time_are_refused_with_a_reason(
    serve: Any, otlp: Any, body: Any
) -> None:
    day = 86_400 * 1_000_000_000
    old = otlp(startTimeUnixNano=str(time.time_ns() - 8 * day))
    future = otlp(startTimeUnixNano=str(time.time_ns() + 2 * day))
    async with serve(retention_days=7) as client:
        answer = await client.post("/v1/traces", content=body(old, otlp(), future), headers=JSON)
        counters = (await client.get("/metrics")).text
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "retention is 7 days" in partial["errorMessage"]
    assert 'spanwise_spans_rejected_total{reason="before_retention"} 1.0' in counters


async def test_35_and_36_resent_spans_count_once_and_children_may_come_first(
    serve: Any, otlp: Any, body: Any
) -> None:
    root = otlp(name="root")
    child = otlp(
        {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7},
        traceId=root["traceId"],
        parentSpanId=root["spanId"],
    )
    async with serve() as client:
        for spans in ((child,), (child,), (root, child)):
            await client.post("/v1/traces", content=body(*spans), headers=JSON)
        found = (await client.get(f"/api/v1/traces/{root['traceId']}")).json()["spans"]
        listed = (await client.get("/api/v1/traces", params={"q": root["traceId"]})).json()["items"]
    parents = {span["name"]: span["parent_span_id"] for span in found}
    assert parents == {"root": None, "chat gpt-4o": root["spanId"]}
    assert [(item["name"], item["span_count"], item["input_tokens"]) for item in listed] == [("root", 2, 7)]


async def test_43_the_collector_makes_no_spans_about_itself(serve: Any, monkeypatch: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    async with serve() as client:
        assert (await client.post("/v1/traces", content=protobuf(), headers=PROTOBUF)).status_code == 200
        assert (await client.get("/api/v1/traces")).status_code == 200
    assert exporter.get_finished_spans() == ()


async def test_a_sender_that_stops_in_the_middle_loses_its_place(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_http, "READ_TIMEOUT_S", 0.05)

    async def pieces() -> Any:
        yield b"\x0a"
        await asyncio.Event().wait()

    async with serve() as client:
        answer = await client.post("/v1/traces", content=pieces(), headers=PROTOBUF)
        assert client.app.state.writer._reserved == 0
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_a_client_that_hangs_up_is_no_error_of_ours(
    serve: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as client:
        messages: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": b"\x0a", "more_body": True}, {"type": "http.disconnect"}]
        )
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/traces",
            "raw_path": b"/v1/traces",
            "query_string": b"",
            "scheme": "http",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/x-protobuf")],
        }
        await client.app(scope, receive, send)
        assert client.app.state.writer._reserved == 0
    assert sent[0]["status"] == 400
    assert caplog.records == []


def test_json_and_protobuf_status_have_the_same_code() -> None:
    from spanwise_collector.otlp_status import failure

    assert failure(503, "m", "protobuf").body[:2] == b"\x08\x0e"
    assert json.loads(bytes(failure(503, "m", "json").body)) == {"code": 14, "message": "m"}
