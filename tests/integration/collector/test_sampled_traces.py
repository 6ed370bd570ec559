"""From the SDK's sampler to the sums of the API: what is left out is estimated, what failed counts once."""

import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import RandomIdGenerator
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from spanwise.config import Config
from spanwise.pipeline import Pipeline
from spanwise.sender import Answer, Verdict

TRACES, TOKENS, FAILING_EVERY, SHARE = 600, 100, 10, 0.25


@pytest.fixture
async def client(serve: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as client:
        yield client


def record(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[list[bytes], int]:
    """Returns the requests of an app whose every tenth trace fails, and how many others were sampled."""
    dice = random.Random(settings["service_name"])
    monkeypatch.setattr(RandomIdGenerator, "generate_trace_id", lambda self: dice.getrandbits(128) | 1)
    pipeline = Pipeline(Config.from_env(endpoint="http://127.0.0.1:1", isolated=True, **settings))
    bodies: list[bytes] = []
    monkeypatch.setattr(
        pipeline._delivery._sender, "post", lambda body, _: bodies.append(body) or Answer(Verdict.ACCEPTED)
    )
    sampled = 0
    usage = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": TOKENS}
    for number in range(TRACES):
        is_failing = number % FAILING_EVERY == 0
        root = pipeline.tracer().start_span("ask", Context())
        call = pipeline.tracer().start_span("chat", set_span_in_context(root), attributes=usage)
        call.end()
        if is_failing:
            root.set_status(Status(StatusCode.ERROR, "boom"))
        elif root.get_span_context().trace_flags.sampled:
            sampled += 1
        root.end()
    assert pipeline.flush()
    pipeline.shutdown()
    return bodies, sampled


async def totals(client: httpx.AsyncClient, bodies: list[bytes], service: str) -> dict[str, Any]:
    for body in bodies:
        answer = await client.post(
            "/v1/traces", content=body, headers={"content-type": "application/x-protobuf"}
        )
        assert answer.status_code == 200
    answer = await client.get("/api/v1/histogram", params={"service": service})
    found: dict[str, Any] = answer.json()["totals"]
    return found


async def test_failing_traces_are_all_there_and_counted_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"sample_ratio": SHARE, "keep_errors": True, "service_name": "kept-errors"}
    bodies, sampled = record(monkeypatch, **settings)
    found = await totals(client, bodies, "kept-errors")
    failing = TRACES // FAILING_EVERY
    assert found["error_count"] == failing
    assert found["trace_count"] == failing + sampled
    assert found["input_tokens"] == failing * TOKENS + sampled * TOKENS / SHARE
    assert found["input_tokens"] == pytest.approx(TRACES * TOKENS, rel=0.15), "as if nothing were left out"
    assert found["is_estimated"] is True


async def test_without_it_failing_traces_are_estimated_like_others(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies, sampled = record(monkeypatch, sample_ratio=SHARE, service_name="sampled")
    found = await totals(client, bodies, "sampled")
    assert 0 < found["error_count"] < TRACES // FAILING_EVERY
    assert found["input_tokens"] == (sampled + found["error_count"]) * TOKENS / SHARE


async def test_failing_traces_alone(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies, _ = record(monkeypatch, sample_ratio=0, keep_errors=True, service_name="errors-alone")
    found = await totals(client, bodies, "errors-alone")
    failing = TRACES // FAILING_EVERY
    assert (found["trace_count"], found["error_count"]) == (failing, failing)
    assert (found["input_tokens"], found["is_estimated"]) == (failing * TOKENS, False)
