"""Scores on the wire: OTLP log records that are retried, bounded, counted, and survive exits and forks."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from spanwise import scores
from spanwise.config import Config
from spanwise.score_export import logs_url

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def new_score(name: str = "helpful", **changes: Any) -> scores.Score:
    fields = {
        "name": name,
        "kind": "number",
        "value": 0.5,
        "label": "fair",
        "comment": "because",
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "time_ns": 1_700_000_000_000_000_001,
        "attributes": {"spanwise.score.kind": "number"},
    }
    return scores.Score(**{**fields, **changes})


def records(sink: Any) -> list[tuple[Any, Any, Any]]:
    """Record, scope and resource attributes of every log record that arrived."""
    return [
        (record, group.scope, {item.key: item.value.string_value for item in part.resource.attributes})
        for received in sink.received
        if received.path == "/v1/logs"
        for part in ExportLogsServiceRequest.FromString(received.body).resource_logs
        for group in part.scope_logs
        for record in group.log_records
    ]


def attributes(record: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in record.attributes}


def test_a_score_is_an_evaluation_event(sink: Any, new_pipeline: Any) -> None:
    pipeline = new_pipeline(service_name="shop", api_key="key-1")
    pipeline.put_score(new_score())
    pipeline.put_score(new_score("tone", value=None, label="formal", span_id="", comment=""))
    assert pipeline.flush(10)
    (first, scope, resource), (second, _, _) = records(sink)
    assert (first.event_name, first.trace_id.hex(), first.span_id.hex()) == (
        "gen_ai.evaluation.result",
        TRACE_ID,
        SPAN_ID,
    )
    assert first.time_unix_nano == first.observed_time_unix_nano == 1_700_000_000_000_000_001
    assert attributes(first) == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.score.label": "fair",
        "gen_ai.evaluation.explanation": "because",
        "spanwise.score.kind": "number",
    }
    assert (second.span_id, "gen_ai.evaluation.score.value" in attributes(second)) == (b"", False)
    assert (scope.name, resource["service.name"]) == ("spanwise", "shop")
    assert sink.received[0].headers["authorization"] == "Bearer key-1"
    assert pipeline.stats().scores.exported == 2


def test_scores_are_retried_and_what_is_refused_is_counted(sink: Any, reply: Any, new_pipeline: Any) -> None:
    sink.replies = [reply(503, {"retry-after": "0"}), reply()]
    pipeline = new_pipeline()
    pipeline.put_score(new_score())
    assert pipeline.flush(10)
    assert (sink.attempts, len(records(sink))) == (2, 1)
    # The wire form of a partial success: one record rejected, and why.
    sink.replies = [reply(200, {"content-type": "application/x-protobuf"}, b"\x0a\x06\x08\x01\x12\x02no")]
    pipeline.put_score(new_score())
    assert pipeline.flush(10)
    stats = pipeline.stats()
    assert (stats.scores.exported, stats.scores.refused) == (1, 1)
    assert (stats.exported, stats.refused) == (0, 0), "they are no spans"


def test_scores_that_find_no_room_are_dropped_and_counted(sink: Any, reply: Any, new_pipeline: Any) -> None:
    pipeline = new_pipeline(max_queue_bytes=2_000)
    for _ in range(20):
        pipeline.put_score(new_score(comment="c" * 300))
    assert pipeline.flush(10)
    stats = pipeline.stats().scores
    assert stats.dropped > 0
    assert stats.dropped + stats.exported == 20


def test_a_default_endpoint_that_is_not_spanwise_gets_no_comments(sink: Any, monkeypatch: Any) -> None:
    from spanwise import config
    from spanwise.pipeline import Pipeline

    sink.is_spanwise = False
    monkeypatch.setattr(
        config.Config, "from_env", classmethod(lambda cls: cls(endpoint=f"{sink.url}/v1/traces"))
    )
    pipeline = Pipeline(Config.from_env())
    pipeline.put_score(new_score())
    assert pipeline.flush(10)
    ((record, _, _),) = records(sink)
    assert "gen_ai.evaluation.explanation" not in attributes(record)
    assert attributes(record)["gen_ai.evaluation.score.value"] == 0.5
    assert pipeline.stats().scores.withheld == 1
    pipeline.shutdown(1)


@pytest.mark.parametrize(
    ("endpoint", "logs", "expected"),
    [
        ("http://h:1", "http://other/v1/logs", "http://h:1/v1/logs"),
        ("https://h/otel", "", "https://h/otel/v1/logs"),
    ],
)
def test_scores_go_where_the_spans_go(monkeypatch: Any, endpoint: str, logs: str, expected: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", logs)
    assert logs_url(Config.from_env(endpoint=endpoint)) == expected


def test_an_address_that_says_nothing_about_logs(monkeypatch: Any) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/custom")
    assert logs_url(Config.from_env()) == "http://h:1/v1/logs"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:2/in")
    assert logs_url(Config.from_env()) == "http://logs:2/in"


SCORE = """
    import spanwise
    from spanwise import lifecycle, runtime
    pipeline.shutdown(0)
    spanwise.instrument("openai", **settings)
    def score(name): assert spanwise.score(name, 1, trace="0af7651916cd43dd8448eb211c80319c")
"""


def test_a_process_that_only_scores_sends_at_exit(sink: Any, run_app: Any) -> None:
    done = run_app(SCORE + "    for n in range(600): score(f'n{n}')", endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert len(records(sink)) == 600


def test_a_forked_child_sends_its_own_scores(sink: Any, run_app: Any) -> None:
    done = run_app(
        SCORE
        + """
    score("parent")
    child = os.fork()
    if not child:
        score("child")
        os._exit(0)
    os.waitpid(child, 0)
    score("parent again")
""",
        endpoint=sink.url,
        environment={"OTEL_BSP_SCHEDULE_DELAY": "60000"},
    )
    assert (done.code, done.lines) == (0, [])
    names = sorted(attributes(record)["gen_ai.evaluation.name"] for record, _, _ in records(sink))
    assert names == ["child", "parent", "parent again"]


def test_an_endpoint_that_is_away_delays_the_exit_once(run_app: Any, reply: Any, sink: Any) -> None:
    sink.replies = [reply(503)]
    done = run_app(SCORE + "    spanwise.span('s').__enter__().end(); score('x')", endpoint=sink.url)
    assert done.code == 0
    assert 3 <= done.took_s < 6
    assert any("1 scores were not delivered" in line for line in done.lines)
