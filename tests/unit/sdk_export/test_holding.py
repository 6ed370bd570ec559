"""Traces that sampling would drop are kept when they fail, each counted once, within bounds."""

import itertools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, TraceState

from spanwise import holding as module
from spanwise.config import Config
from spanwise.encode import EndedSpan
from spanwise.pipeline import Pipeline

NOTHING, EVERYTHING = 0.0, 1.0


class App:
    """An app on our own provider, and what would be exported of it."""

    def __init__(self, ratio: float, **settings: Any) -> None:
        settings = {"sample_ratio": ratio, "keep_errors": True, "isolated": True, **settings}
        self.pipeline = Pipeline(Config.from_env(**settings))
        self.taken: list[EndedSpan] = []
        backlog = self.pipeline._backlog
        backlog.put = lambda item: self.taken.append(item) or True  # type: ignore[func-returns-value, method-assign]
        held = self.pipeline._holding
        if held is not None:
            held._put = backlog.put

    @property
    def held(self) -> module.Holding:
        assert self.pipeline._holding is not None
        return self.pipeline._holding

    @property
    def names(self) -> list[str]:
        return [item.span.name for item in self.taken]

    def start(self, name: str, parent: Any = None) -> Any:
        context = trace.context_api.Context() if parent is None else trace.set_span_in_context(parent)
        return self.pipeline.tracer().start_span(name, context)

    def fail(self, span: Any) -> None:
        span.set_status(Status(StatusCode.ERROR))
        span.end()


@pytest.fixture
def new_app() -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def new(ratio: float = NOTHING, **settings: Any) -> App:
        made.append(App(ratio, **settings))
        return made[-1]

    yield new
    for each in made:
        each.pipeline.shutdown(0)


def states(app: App) -> set[str]:
    encode = app.pipeline._backlog._encode
    found = set()
    for item in app.taken:
        body = encode(item).body
        found.add("th:0" if b"ot=th:0" in body or b";th:0" in body else "th" if b"th:" in body else "")
    return found


def test_a_trace_that_fails_is_kept_whole(new_app: Any) -> None:
    app = new_app()
    root = app.start("root")
    app.start("before", root).end()
    app.fail(app.start("failing", root))
    assert app.names == ["before", "failing"], "known to fail, it does not wait any longer"
    app.start("after", root).end()
    root.end()
    assert app.names == ["before", "failing", "after", "root"]
    assert states(app) == {"th:0"}
    assert app.held.size_bytes == 0


def test_a_trace_that_does_not_fail_leaves_nothing(new_app: Any) -> None:
    app = new_app()
    root = app.start("root")
    app.start("child", root).end()
    root.end()
    assert app.names == []
    assert (app.held.size_bytes, app.held._traces, app.held._undecided) == (0, {}, {})


def test_what_was_kept_for_its_error_says_so(new_app: Any) -> None:
    app = new_app()
    app.fail(app.start("failing"))
    body = app.pipeline._backlog._encode(app.taken[0]).body
    assert b"spanwise.kept_for" in body


def test_a_sampled_trace_that_fails_stands_for_itself_alone_and_one_that_does_not_for_others(
    new_app: Any,
) -> None:
    app = new_app(0.5)
    kept = next(root for root in map(app.start, itertools.repeat("root", 100)) if _is_sampled(root))
    app.start("child", kept).end()
    kept.end()
    assert app.names == ["child", "root"]
    assert states(app) == {"th"}
    app.taken.clear()
    failing = next(root for root in map(app.start, itertools.repeat("root", 100)) if _is_sampled(root))
    app.fail(failing)
    assert states(app) == {"th:0"}
    assert b"spanwise.kept_for" not in app.pipeline._backlog._encode(app.taken[0]).body


def _is_sampled(span: Any) -> bool:
    return bool(span.get_span_context().trace_flags.sampled)


def test_an_answer_that_outlives_its_root_is_waited_for(new_app: Any) -> None:
    app = new_app()
    root = app.start("root")
    stream = app.start("stream", root)
    root.end()
    assert app.names == []
    app.fail(stream)
    assert app.names == ["root", "stream"]


def test_traces_do_not_wait_where_everything_is_kept(new_app: Any) -> None:
    app = new_app(EVERYTHING)
    root = app.start("root")
    app.start("child", root).end()
    assert app.names == ["child"]
    app.fail(root)
    assert states(app) == {"th:0"}


def test_the_part_of_a_trace_that_the_caller_left_out(new_app: Any) -> None:
    app = new_app(EVERYTHING)
    for failing in (False, True):
        context = SpanContext(7, 8, True, TraceFlags(0), TraceState([("ot", "rv:00000000000000")]))
        span = app.start("served", NonRecordingSpan(context))
        app.fail(span) if failing else span.end()
    assert app.names == ["served"]
    assert states(app) == {"th:0"}


def test_other_exporters_of_our_provider_see_nothing_of_what_sampling_left_out(new_app: Any) -> None:
    app = new_app()
    app.pipeline.tracer()
    memory = InMemorySpanExporter()
    app.pipeline._own_provider.add_span_processor(SimpleSpanProcessor(memory))
    root = app.start("root")
    app.fail(app.start("failing", root))
    root.end()
    assert app.names == ["failing", "root"]
    assert memory.get_finished_spans() == ()


def test_more_than_has_room_is_left_to_sampling(new_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    app = new_app(max_queue_bytes=40_000)  # a quarter of it: two spans
    large = app.start("large")
    for _ in range(20):
        app.start("child", large).end()
    assert app.held.size_bytes <= 10_000
    app.fail(large)
    assert app.names == [], "what was let go does not come back in parts"
    assert app.held.unjudged == app.pipeline.stats().unjudged == 1
    assert [record for record in caplog.records if "left to sampling" in record.getMessage()]
    app.fail(app.start("small"))
    assert app.names == ["small"]


def test_a_trace_that_lasts_is_left_to_sampling(new_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAIT_S", 0.0)
    app = new_app(0.5)
    kept = next(root for root in map(app.start, itertools.repeat("root", 100)) if _is_sampled(root))
    app.start("child", kept).end()
    assert app.names == ["child"]
    app.fail(kept)
    assert states(app) == {"th"}, "half of it was sent already with the share: the rest goes with it"


def test_shutdown_leaves_what_waits_to_sampling(new_app: Any) -> None:
    app = new_app(0.5)
    roots = [app.start("root") for _ in range(50)]
    for root in roots:
        app.start("child", root).end()
    assert app.names == []
    app.pipeline.shutdown(0)
    assert len(app.names) == sum(map(_is_sampled, roots)) > 0


def test_nothing_is_kept_of_a_parent_in_a_forked_child(new_app: Any) -> None:
    app = new_app()
    root = app.start("root")
    app.start("child", root).end()
    app.pipeline.start_over()
    app.fail(root)
    assert app.names == []


@pytest.mark.parametrize("name", ["always_off", "parentbased_always_off"])
def test_errors_alone(new_app: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    app = new_app(None)
    app.start("fine").end()
    app.fail(app.start("failing"))
    assert app.names == ["failing"]


def test_without_keep_errors_nothing_of_it_is_recorded(new_app: Any) -> None:
    app = new_app(keep_errors=False)
    failing = app.start("failing")
    assert not failing.is_recording()
    app.fail(failing)
    assert app.names == []


def test_many_threads_at_once(new_app: Any) -> None:
    app = new_app(0.5)

    def one(number: int) -> tuple[bool, bool]:
        is_failing = number % 3 == 0
        root = app.start("root")
        with ThreadPoolExecutor(3) as children:
            for index in range(3):
                child = app.start("child", root)
                children.submit(app.fail if is_failing and index == 1 else child.__class__.end, child)
        root.end()
        return is_failing, _is_sampled(root)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(one, range(300)))
    kept = [failing or sampled for failing, sampled in outcomes]
    assert len(app.taken) == 4 * sum(kept), "whole traces, each span once"
    assert sum(item.is_kept_for_error for item in app.taken) == 4 * sum(failing for failing, _ in outcomes)
    assert (app.held.size_bytes, app.held._traces, app.held._undecided) == (0, {}, {})
