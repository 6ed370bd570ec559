"""OpenTelemetry's GenAI metrics, as an app with a MeterProvider reads them."""

import timeit
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from spanwise import meters
from spanwise.operation import Request


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    made = InMemoryMetricReader()
    provider = MeterProvider([made])
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    yield made
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    found = data.resource_metrics[0].scope_metrics if data else []
    return {
        metric.name: list(metric.data.data_points)
        for scope in found
        if scope.scope.name == "spanwise"
        for metric in scope.metrics
    }


CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "toy",
    "gen_ai.request.model": "toy-1",
    "gen_ai.response.model": "toy-1-0",
    "server.address": "127.0.0.1",
    "server.port": 8080,
}


def test_a_call_is_measured(reader: Any, pipeline: Any, client: Any) -> None:
    client.ask("one two three.")
    client.ask("one.")
    found = points(reader)
    (duration,) = found["gen_ai.client.operation.duration"]
    assert (dict(duration.attributes), duration.count) == (CALL, 2)
    assert duration.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert len(duration.explicit_bounds) == 14
    tokens = {point.attributes["gen_ai.token.type"]: point for point in found["gen_ai.client.token.usage"]}
    assert (tokens["input"].sum, tokens["output"].sum) == (2, 4)
    assert tokens["input"].explicit_bounds[-1] == 67108864
    assert set(found) == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}


def test_a_stream_is_measured_chunk_by_chunk(reader: Any, pipeline: Any, client: Any) -> None:
    assert len(list(client.ask("one two three four.", stream=True))) == 4
    found = points(reader)
    (first,) = found["gen_ai.client.operation.time_to_first_chunk"]
    (each,) = found["gen_ai.client.operation.time_per_output_chunk"]
    (whole,) = found["gen_ai.client.operation.duration"]
    assert (first.count, each.count, whole.count) == (1, 3, 1)
    assert first.sum + each.sum <= whole.sum
    assert dict(first.attributes) == CALL


def test_a_failed_call_names_its_error(reader: Any, pipeline: Any, client: Any) -> None:
    with pytest.raises(LookupError):
        client.ask("x", error=LookupError("no"))
    (duration,) = points(reader)["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "LookupError"


def test_unsampled_calls_are_measured_and_their_content_is_not_kept(
    reader: Any, pipeline: Any, client: Any
) -> None:
    pipeline.provider.sampler = ALWAYS_OFF
    client.ask("one two.")
    list(client.ask("one two.", stream=True))
    found = points(reader)
    assert sum(point.count for point in found["gen_ai.client.operation.duration"]) == 2
    assert sum(p.sum for p in found["gen_ai.client.token.usage"]) == 6
    assert (pipeline.spans, pipeline.content) == ([], {})


def test_a_provider_that_comes_later_is_found(
    pipeline: Any, client: Any, request: pytest.FixtureRequest
) -> None:
    client.ask("before.")
    reader = request.getfixturevalue("reader")
    client.ask("after.")
    (duration,) = points(reader)["gen_ai.client.operation.duration"]
    assert duration.count == 1


def test_an_isolated_pipeline_leaves_the_apps_metrics_alone(reader: Any, start: Any, client: Any) -> None:
    start(isolated=True)
    client.ask("one.")
    assert points(reader) == {}


def test_without_a_provider_a_call_is_not_measured_at_next_to_no_cost() -> None:
    request = Request("chat", "toy")
    assert meters.meter_for(request, 0.0) is None
    best = min(timeit.repeat(lambda: meters.meter_for(request, 0.0), number=1000, repeat=20)) / 1000
    assert best < 2e-6, "a microsecond on a quiet machine"
