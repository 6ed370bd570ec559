"""Scores: evaluation events over OTLP, the JSON API, and where they show up again."""

import gzip
import json
import secrets
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


def request_of(*records: dict[str, Any]) -> ExportLogsServiceRequest:
    """A request with a record for each; members are those of ``LogRecord``, attributes as a dictionary."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = group.scope_logs.add()
    scope.scope.name = "judge"
    for members in records:
        record = scope.log_records.add()
        for key, value in {"event_name": "gen_ai.evaluation.result", **members}.items():
            if key != "attributes":
                setattr(record, key, value)
        for key, value in members["attributes"].items():
            held = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(double_value=value)
            record.attributes.append(KeyValue(key=key, value=held))
    return request


def evaluation(trace_id: str, span_id: str = "", **attributes: Any) -> dict[str, Any]:
    return {
        "trace_id": bytes.fromhex(trace_id),
        "span_id": bytes.fromhex(span_id),
        "time_unix_nano": time.time_ns(),
        "attributes": {
            "gen_ai.evaluation.name": "relevance",
            **{f"gen_ai.evaluation.{key}": value for key, value in attributes.items()},
        },
    }


@pytest.fixture
def trace_id() -> str:
    return secrets.token_hex(16)


async def scores_of(client: Any, trace_id: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/scores", params={"trace_id": trace_id})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_evaluation_events_in_protobuf_become_scores(serve: Any, trace_id: str) -> None:
    span_id = secrets.token_hex(8)
    record = evaluation(
        trace_id, span_id, **{"score.value": 0.75, "score.label": "relevant", "explanation": "on topic"}
    )
    async with serve() as client:
        answer = await client.post(
            "/v1/logs",
            content=gzip.compress(request_of(record).SerializeToString()),
            headers={**PROTOBUF, "content-encoding": "gzip"},
        )
        assert (answer.status_code, answer.content) == (200, b"")
        (found,) = await scores_of(client, trace_id)
    assert {key: found[key] for key in ("span_id", "name", "kind", "value", "label", "comment")} == {
        "span_id": span_id,
        "name": "relevance",
        "kind": "number",
        "value": 0.75,
        "label": "relevant",
        "comment": "on topic",
    }
    assert (found["source"], found["service"]) == ("judge", "shop")


async def test_evaluation_events_in_json_become_scores(serve: Any, trace_id: str) -> None:
    record = {
        "traceId": trace_id.upper(),
        "observedTimeUnixNano": str(time.time_ns()),
        "attributes": [
            {"key": "event.name", "value": {"stringValue": "gen_ai.evaluation.result"}},
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "tone"}},
            {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "friendly"}},
            {"key": "rater", "value": {"stringValue": "panel 2"}},
        ],
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    async with serve() as client:
        answer = await client.post("/v1/logs", content=json.dumps(body), headers=JSON)
        assert (answer.status_code, answer.json()) == (200, {})
        (found,) = await scores_of(client, trace_id)
    assert (found["kind"], found["value"], found["label"]) == ("category", None, "friendly")
    assert (found["span_id"], found["attributes"]) == (None, {"rater": "panel 2"})


async def test_what_is_sent_twice_counts_once(serve: Any, trace_id: str) -> None:
    body = request_of(
        evaluation(trace_id, **{"score.value": 1.0}), evaluation(trace_id, **{"score.value": 0.5})
    ).SerializeToString()
    async with serve() as client:
        for _ in range(3):
            assert (await client.post("/v1/logs", content=body, headers=PROTOBUF)).status_code == 200
        assert sorted(item["value"] for item in await scores_of(client, trace_id)) == [0.5, 1.0]


async def test_other_log_records_are_refused_one_by_one(serve: Any, trace_id: str) -> None:
    homeless = evaluation(trace_id, **{"score.value": 1.0}) | {"trace_id": b""}
    nothing = evaluation(trace_id)
    ancient = evaluation(trace_id, **{"score.value": 1.0}) | {"time_unix_nano": 1}
    other = {"event_name": "app.started", "attributes": {}}
    good = evaluation(trace_id, **{"score.value": 1.0})
    body = request_of(homeless, nothing, ancient, other, good).SerializeToString()
    async with serve() as client:
        answer = await client.post("/v1/logs", content=body, headers=PROTOBUF)
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_log_records) == (200, 4)
        for words in ("names no trace", "a number, a truth value or a word", "app.started"):
            assert words in partial.error_message
        assert "4 log records refused" in partial.error_message
        assert len(await scores_of(client, trace_id)) == 1
        metrics = (await client.get("/metrics")).text
        assert 'spanwise_spans_rejected_total{reason="not_an_evaluation_event"} 1.0' in metrics
        assert "spanwise_scores_accepted_total 1.0" in metrics
        as_json = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "app.started"}]}]}]}
        answer = await client.post("/v1/logs", content=json.dumps(as_json), headers=JSON)
        assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff", PROTOBUF, 400),
        (b"{", JSON, 400),
        (b'{"resourceLogs": 5}', JSON, 400),
        (b"", {"content-type": "text/plain"}, 415),
        (b"x" * 3000, PROTOBUF, 413),
    ],
)
async def test_logs_are_refused_as_traces_are(
    serve: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    async with serve(max_body_bytes=2048) as client:
        assert (await client.post("/v1/logs", content=content, headers=headers)).status_code == status


async def test_logs_need_the_ingest_key(serve: Any, trace_id: str) -> None:
    body = request_of(evaluation(trace_id, **{"score.value": 1.0})).SerializeToString()
    async with serve(ingest_key="k" * 20) as client:
        assert (await client.post("/v1/logs", content=body, headers=PROTOBUF)).status_code == 401
        key = {"authorization": f"Bearer {'k' * 20}"}
        assert (await client.post("/v1/logs", content=body, headers=PROTOBUF | key)).status_code == 200


async def test_text_that_is_not_unicode_costs_no_score(serve: Any, trace_id: str) -> None:
    record = evaluation(trace_id, **{"score.value": 1.0, "explanation": "caf@"})
    body = request_of(record).SerializeToString().replace(b"caf@", b"caf\xe9")
    async with serve() as client:
        assert (await client.post("/v1/logs", content=body, headers=PROTOBUF)).status_code == 200
        assert (await scores_of(client, trace_id))[0]["comment"] == "caf\ufffd"


async def test_secrets_are_scrubbed_on_the_way_in(serve: Any, trace_id: str) -> None:
    words = "the key sk-proj-abcdefghijklmnopqrstuvwx1234 leaked"
    record = evaluation(trace_id, **{"score.value": 0.0, "explanation": words})
    async with serve() as client:
        await client.post("/v1/logs", content=request_of(record).SerializeToString(), headers=PROTOBUF)
        assert "sk-proj" not in (await scores_of(client, trace_id))[0]["comment"]


async def test_an_evaluation_on_a_span_is_a_score_of_that_span(serve: Any, otlp: Any, body: Any) -> None:
    event = {
        "name": "gen_ai.evaluation.result",
        "timeUnixNano": str(time.time_ns()),
        "attributes": [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "faithful"}},
            {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.25}},
        ],
    }
    span = otlp(events=[event])
    async with serve() as client:
        for _ in range(2):
            assert (await client.post("/v1/traces", content=body(span), headers=JSON)).status_code == 200
        (found,) = await scores_of(client, span["traceId"])
        detail = (await client.get(f"/api/v1/traces/{span['traceId']}")).json()
    assert (found["name"], found["value"], found["span_id"]) == ("faithful", 0.25, span["spanId"])
    assert detail["scores"] == [found]
    assert detail["spans"][0]["events"][0]["name"] == "gen_ai.evaluation.result", "what was sent stays"


async def test_writing_through_the_api(serve: Any, trace_id: str) -> None:
    many = [
        {"trace_id": trace_id, "name": "helpful", "value": True, "comment": "thanks!", "user_id": "u-1"},
        {"trace_id": trace_id, "name": "stars", "value": 4, "span_id": "ab" * 8, "label": "good"},
        {"trace_id": trace_id, "name": "tone", "value": "formal", "attributes": {"round": 2}},
    ]
    async with serve() as client:
        answer = await client.post("/api/v1/scores", json=many)
        assert answer.status_code == 201, answer.text
        found = {item["name"]: item for item in await scores_of(client, trace_id)}
        assert answer.json()["ids"] == [found[name]["id"] for name in ("helpful", "stars", "tone")]
        only = await client.get("/api/v1/scores", params={"trace_id": trace_id, "span_id": "ab" * 8})
        named = await client.get("/api/v1/scores", params={"name": "tone", "limit": 1})
    helpful = found["helpful"]
    assert (helpful["kind"], helpful["value"], helpful["label"]) == ("boolean", 1.0, "true")
    assert (helpful["source"], helpful["user_id"], helpful["comment"]) == ("api", "u-1", "thanks!")
    assert (found["stars"]["kind"], found["stars"]["value"], found["stars"]["label"]) == ("number", 4, "good")
    assert (found["tone"]["kind"], found["tone"]["value"], found["tone"]["label"]) == (
        "category",
        None,
        "formal",
    )
    assert [item["name"] for item in only.json()["items"]] == ["stars"]
    assert [item["name"] for item in named.json()["items"]] == ["tone"]


async def test_a_later_score_of_the_same_id_replaces_the_earlier(serve: Any, trace_id: str) -> None:
    score = {"trace_id": trace_id, "name": "thumbs", "id": "user-7"}
    async with serve() as client:
        for value in (True, False):
            answer = await client.post("/api/v1/scores", json={**score, "value": value})
            assert answer.json() == {"ids": ["user-7"]}
        assert [item["value"] for item in await scores_of(client, trace_id)] == [0.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trace_id": "xyz"}, "32 hexadecimal digits"),
        ({"trace_id": None}, "32 hexadecimal digits"),
        ({"span_id": "12"}, "16 hexadecimal digits"),
        ({"name": ""}, "1 to 256 characters"),
        ({"name": 5}, "not a text"),
        ({"value": None}, "value, label or both"),
        ({"value": [1]}, "a number or a word"),
        ({"value": "good", "label": "fine"}, "a word as value and a label"),
        ({"comment": 3}, "not a text"),
        ({"attributes": []}, "give an object"),
        ({"time": "yesterday"}, "is not a time"),
        ({"time": "1999-01-01T00:00:00Z"}, "retention"),
        ({"colour": "red"}, "unknown member 'colour'"),
    ],
)
async def test_a_bad_score_is_refused_with_all_of_its_request(
    serve: Any, trace_id: str, change: dict[str, Any], words: str
) -> None:
    good = {"trace_id": trace_id, "name": "helpful", "value": 1}
    async with serve() as client:
        answer = await client.post("/api/v1/scores", json=[good, {**good, **change}])
        assert answer.status_code == 400
        assert words in json.dumps(answer.json())
        assert await scores_of(client, trace_id) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"[1]", b"nonsense", b"x" * (4 * 1024 * 1024 + 1)])
async def test_a_body_that_is_no_score(serve: Any, content: bytes) -> None:
    async with serve() as client:
        answer = await client.post("/api/v1/scores", content=content, headers=JSON)
        assert answer.status_code == 400
        answer = await client.post("/api/v1/scores", content=content, headers={"content-type": "text/plain"})
        assert answer.status_code == 415


async def test_who_may_write_scores(serve: Any, trace_id: str) -> None:
    score = {"trace_id": trace_id, "name": "helpful", "value": 1}
    key, password = {"authorization": f"Bearer {'k' * 20}"}, {"authorization": "Bearer correct horse battery"}
    async with serve(ingest_key="k" * 20, ui_password="correct horse battery") as client:
        for headers, status in (({}, 401), (key, 201), (password, 201)):
            answer = await client.post("/api/v1/scores", json=score, headers=headers)
            assert answer.status_code == status, headers
        assert (await client.get("/api/v1/scores", headers=key)).status_code == 401, "the key only writes"
    async with serve(ingest_key="k" * 20) as client:
        for headers, status in (({}, 401), (key, 201)):
            assert (await client.post("/api/v1/scores", json=score, headers=headers)).status_code == status


async def test_traces_are_found_by_the_name_of_a_score(serve: Any, otlp: Any, body: Any) -> None:
    name = f"score {secrets.token_hex(4)}"
    scored, plain = otlp(), otlp()
    async with serve() as client:
        await client.post("/v1/traces", content=body(scored, plain), headers=JSON)
        written = [{"trace_id": scored["traceId"], "name": name, "value": n} for n in (1, 2)]
        assert (await client.post("/api/v1/scores", json=written)).status_code == 201
        ids = {scored["traceId"], plain["traceId"]}
        for query, expected in (({}, ids), ({"score": name}, {scored["traceId"]}), ({"score": "no"}, set())):
            page = (await client.get("/api/v1/traces", params={**query, "limit": 1000})).json()["items"]
            assert {item["trace_id"] for item in page} & ids == expected, query
        totals = (await client.get("/api/v1/histogram", params={"score": name})).json()["totals"]
        facets = (await client.get("/api/v1/facets", params={"limit": 100})).json()["facets"]
    assert totals["trace_count"] == 1
    assert {"value": name, "count": 1} in facets["score"]


async def test_a_store_in_trouble_acknowledges_nothing(serve: Any, store: Any, trace_id: str) -> None:
    from spanwise_collector.errors import Unavailable

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def insert_scores(self, scores: Any) -> None:
            raise Unavailable("the disk is full")

    body = request_of(evaluation(trace_id, **{"score.value": 1.0})).SerializeToString()
    async with serve(backend=Broken()) as client:
        answer = await client.post("/v1/logs", content=body, headers=PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        answer = await client.post(
            "/api/v1/scores", json={"trace_id": trace_id, "name": "helpful", "value": 1}
        )
        assert answer.status_code == 503
