"""Sampling by the standard variables: which traces are kept, and how that is written down."""

import logging
import random
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, TraceState

from spanwise import guard
from spanwise.config import Config
from spanwise.pipeline import Pipeline
from spanwise.sampling import ThresholdSampler, sampler_from_env, sampler_of
from spanwise_collector.ingest.sampling import sample_weight

LOW, HIGH = 0x1, 0x00FF_FFFF_FFFF_FFFF
"""Trace ids whose randomness is the least and the greatest there is."""


def decide(sampler: Any, trace_id: int, parent: SpanContext | None = None) -> tuple[bool, str]:
    context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None
    result = sampler.should_sample(context, trace_id, "x")
    state = result.trace_state
    return result.decision.is_sampled(), state.to_header() if state else ""


def remote(trace_id: int, *, is_sampled: bool, state: str = "") -> SpanContext:
    members = [tuple(member.split("=", 1)) for member in state.split(",") if member]
    return SpanContext(trace_id, 7, True, TraceFlags(int(is_sampled)), TraceState(members))


@pytest.mark.parametrize(
    ("probability", "written", "weight"),
    [
        (1.0, "ot=th:0", 1),
        (0.5, "ot=th:8", 2),
        (0.25, "ot=th:c", 4),
        (0.1, "ot=th:e666", 10),
        (1 / 3, "ot=th:aaaa", 3),
        (0.001, "ot=th:ffbe76", 1000),
        (1e-6, "ot=th:ffffef39", 1e6),
    ],
)
def test_the_share_is_written_so_that_the_store_can_weigh(
    probability: float, written: str, weight: float
) -> None:
    is_kept, state = decide(ThresholdSampler(probability), HIGH)
    assert (is_kept, state) == (True, written)
    assert sample_weight(state) == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize("probability", [0.0, 0.02, 0.3, 0.97, 1.0])
def test_as_many_are_kept_as_were_asked_for(probability: float) -> None:
    dice = random.Random(5)
    sampler = ThresholdSampler(probability)
    kept = sum(decide(sampler, dice.getrandbits(128) | 1)[0] for _ in range(20_000))
    assert kept / 20_000 == pytest.approx(probability, abs=0.012)


def test_decisions_of_different_shares_agree() -> None:
    dice = random.Random(6)
    few, many = ThresholdSampler(0.1), ThresholdSampler(0.4)
    for _ in range(2000):
        trace_id = dice.getrandbits(128) | 1
        assert decide(many, trace_id)[0] or not decide(few, trace_id)[0], "what few keep, many keep too"


def test_the_callers_randomness_and_other_members_stay() -> None:
    sampler = ThresholdSampler(0.5)
    kept = remote(LOW, is_sampled=True, state="other=1,ot=rv:ffffffffffffff;th:4")
    is_kept, state = decide(sampler, LOW, kept)
    assert is_kept
    assert dict(pair.split("=", 1) for pair in state.split(",")) == {
        "other": "1",
        "ot": "rv:ffffffffffffff;th:8",
    }
    dropped = remote(HIGH, is_sampled=True, state="ot=rv:00000000000000;th:4")
    assert decide(sampler, HIGH, dropped) == (False, "ot=rv:00000000000000")
    assert decide(sampler, LOW, remote(LOW, is_sampled=True, state="ot=th:4")) == (False, "")


def test_children_of_remote_parents_follow_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    sampler = sampler_from_env()
    assert decide(sampler, LOW) == (False, "")
    assert decide(sampler, HIGH) == (True, "ot=th:8")
    assert decide(sampler, LOW, remote(LOW, is_sampled=True, state="ot=th:c")) == (True, "ot=th:c")
    assert decide(sampler, HIGH, remote(HIGH, is_sampled=False))[0] is False


def test_spans_below_a_kept_one_carry_the_same_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    tracer = TracerProvider(sampler=sampler_from_env()).get_tracer("x")
    roots = [tracer.start_span("root") for _ in range(200)]
    kept = [root for root in roots if root.is_recording()]
    assert 20 < len(kept) < 90
    for root in kept:
        child = tracer.start_span("child", trace.set_span_in_context(root))
        assert child.get_span_context().trace_state.to_header() == "ot=th:c"


@pytest.mark.parametrize("argument", ["", "nonsense", "2", "-1", "nan"])
def test_a_share_that_cannot_be_read_keeps_everything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, argument: str
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert decide(sampler_from_env(), LOW)[0] is True
    assert bool(caplog.records) == bool(argument)


def test_other_samplers_are_left_to_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "parentbased_always_on", "always_off", "parentbased_always_off", "jaeger_remote"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        assert sampler_from_env() is None
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "ALWAYS_ON")
    parent = remote(LOW, is_sampled=False, state="ot=th:c")
    assert decide(sampler_from_env(), LOW, parent) == (True, "ot=th:0")


def test_our_own_provider_samples_by_the_variables_and_the_apps_own_as_it_likes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    pipeline = Pipeline(Config.from_env(isolated=True))
    try:
        spans = [pipeline.tracer().start_span("x") for _ in range(100)]
    finally:
        pipeline.shutdown(0)
    states = {span.get_span_context().trace_state.to_header() for span in spans if span.is_recording()}
    assert states == {"ot=th:8"}
    assert 20 < sum(span.is_recording() for span in spans) < 80


def conversation(sampler: Any, name: str, trace_id: int) -> tuple[bool, str]:
    result = sampler.should_sample(None, trace_id, "x", attributes={"gen_ai.conversation.id": name})
    return result.decision.is_sampled(), result.trace_state.to_header()


def test_the_traces_of_a_conversation_are_kept_together() -> None:
    sampler = ThresholdSampler(0.25, by="conversation")
    kept = 0
    for number in range(2000):
        name = f"c-{number}"
        decisions = {conversation(sampler, name, trace_id) for trace_id in (LOW, HIGH)}
        assert len(decisions) == 1
        kept += next(iter(decisions))[0]
    assert kept / 2000 == pytest.approx(0.25, abs=0.03)


def test_a_conversations_decision_is_written_for_samplers_further_on() -> None:
    is_kept, state = conversation(ThresholdSampler(0.5, by="conversation"), "c-7", LOW)
    # Of another implementation: the first 56 bits of the SHA-256 of the id.
    assert (is_kept, state) == (True, "ot=rv:ab6a0ce6317bd8;th:8")
    assert sample_weight(state) == 2
    for share in (0.1, 0.3, 0.9):
        # By the specification alone: randomness at or above the threshold, whoever asks.
        expected = int("ab6a0ce6317bd8", 16) >= round((1 - share) * 2**56)
        plain = ThresholdSampler(share)
        assert decide(plain, LOW, remote(LOW, is_sampled=True, state=state))[0] is expected
        assert conversation(ThresholdSampler(share, by="conversation"), "c-7", HIGH)[0] is expected


def test_without_a_conversation_the_trace_id_decides() -> None:
    sampler = ThresholdSampler(0.5, by="conversation")
    assert decide(sampler, LOW) == (False, "")
    assert decide(sampler, HIGH) == (True, "ot=th:8")
    assert conversation(ThresholdSampler(0.5), "c-7", LOW) == (False, "")


def test_a_conversation_of_the_context_counts_for_whoever_starts_the_trace() -> None:
    import spanwise

    tracer = TracerProvider(sampler=ThresholdSampler(0.5, by="conversation")).get_tracer("web")
    with spanwise.context(conversation_id="c-7"):
        roots = [tracer.start_span("GET /") for _ in range(20)]
    assert {root.get_span_context().trace_state.to_header() for root in roots} == {
        "ot=rv:ab6a0ce6317bd8;th:8"
    }
    child = tracer.start_span("child", trace.set_span_in_context(roots[0]))
    assert child.get_span_context().trace_state.to_header() == "ot=rv:ab6a0ce6317bd8;th:8"


def test_the_arguments_win_over_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    config = Config.from_env(sample_ratio=0.5, sample_by="conversation")
    assert conversation(sampler_of(config), "c-7", LOW) == (True, "ot=rv:ab6a0ce6317bd8;th:8")
    assert decide(sampler_of(config), LOW) == (False, "")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    assert conversation(sampler_of(Config.from_env(sample_by="conversation")), "c-7", LOW)[0]


@pytest.mark.parametrize(
    "settings",
    [{"sample_ratio": 1.5}, {"sample_ratio": True}, {"sample_ratio": "0.1"}, {"sample_by": "user"}],
)
def test_settings_that_cannot_work(settings: dict[str, Any]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} must be .*not {value!r}"):
        Config.from_env(**settings)


@pytest.mark.parametrize(
    ("settings", "sampler", "named"),
    [
        ({"sample_ratio": 0.1}, ALWAYS_ON, "sample_ratio"),
        ({"sample_ratio": 0.1, "keep_errors": True}, TraceIdRatioBased(1), "sample_ratio and keep_errors"),
        ({"keep_errors": True}, ParentBased(TraceIdRatioBased(1)), "keep_errors"),
        ({"keep_errors": True}, DEFAULT_ON, None),
        ({"sample_ratio": 0.1, "keep_errors": True}, ThresholdSampler(1.0, records_rest=True), None),
        ({}, TraceIdRatioBased(1), None),
    ],
)
def test_an_app_with_a_provider_of_its_own_is_told(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    sampler: Any,
    named: str | None,
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(guard, "_said", set())
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    pipeline = Pipeline(Config.from_env(**settings))
    assert pipeline.tracer().start_span("x").is_recording()
    pipeline.tracer().start_span("y")
    pipeline.shutdown(0)
    said = [record.getMessage().split(":")[1].strip() for record in caplog.records]
    assert said == ([] if named is None else [named])


def test_our_sampler_serves_an_apps_own_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = ThresholdSampler(0.0, "conversation", records_rest=True)
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    pipeline = Pipeline(Config.from_env(keep_errors=True))
    taken: list[str] = []
    assert pipeline._holding is not None
    monkeypatch.setattr(pipeline._holding, "_put", lambda item: taken.append(item.span.name))
    for is_failing in (False, True):
        root = pipeline.tracer().start_span("root", Context())
        child = pipeline.tracer().start_span("child", trace.set_span_in_context(root))
        if is_failing:
            child.set_status(StatusCode.ERROR)
        child.end()
        root.end()
    pipeline.shutdown(0)
    assert taken == ["child", "root"]
