"""Content goes to an endpoint that somebody named, or to Spanwise; not to a stranger on the default port."""

from collections.abc import Callable
from typing import Any

import pytest

from spanwise.config import Config
from spanwise.pipeline import Pipeline


@pytest.fixture
def at_default(sink: Any) -> Any:
    """A pipeline that takes the sink for the default endpoint."""
    pipelines = []

    def new() -> Pipeline:
        pipelines.append(
            Pipeline(Config(endpoint=sink.url + "/v1/traces", is_endpoint_default=True, isolated=True))
        )
        return pipelines[-1]

    yield new
    for pipeline in pipelines:
        pipeline.shutdown(0.01)


def test_spanwise_at_the_default_endpoint_gets_content(
    sink: Any, at_default: Callable[[], Pipeline], record: Any, log: Any
) -> None:
    pipeline = at_default()
    record(pipeline)
    assert pipeline.flush()
    assert "gen_ai.input.messages" in sink.spans[0]["attributes"]
    assert (pipeline.stats().withheld, log()) == (0, [])


def test_a_stranger_at_the_default_endpoint_gets_none(
    sink: Any, at_default: Callable[[], Pipeline], record: Any, log: Any
) -> None:
    sink.is_spanwise = False
    pipeline = at_default()
    for _ in range(3):
        record(pipeline, **{"gen_ai.tool.call.arguments": "{}"})
        assert pipeline.flush()
    assert [span["attributes"] for span in sink.spans] == [{"gen_ai.operation.name": "chat"}] * 3
    assert pipeline.stats().withheld == 3
    (line,) = log()
    assert "is not Spanwise" in line


def test_a_stranger_that_was_named_gets_content(sink: Any, new_pipeline: Any, record: Any, log: Any) -> None:
    sink.is_spanwise = False
    pipeline = new_pipeline()
    record(pipeline)
    assert pipeline.flush()
    assert "gen_ai.input.messages" in sink.spans[0]["attributes"]
    assert log() == []


def test_who_listens_is_asked_again_after_an_outage(
    sink: Any, reply: Any, at_default: Callable[[], Pipeline], record: Any
) -> None:
    pipeline = at_default()
    record(pipeline)
    assert pipeline.flush()
    sink.replies = [reply(503, {"retry-after": "0.1"}), reply()]
    sink.attempts, sink.is_spanwise = 0, False
    record(pipeline)
    assert pipeline.flush()
    first, second = (span["attributes"] for span in sink.spans)
    assert "gen_ai.input.messages" in first
    assert "gen_ai.input.messages" not in second
    assert pipeline.stats().withheld == 1, "once, although the request was made twice"
