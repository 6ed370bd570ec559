"""An app with an OpenTelemetry set-up of its own keeps it, whichever of the two comes first."""

import json
from typing import Any

import pytest

APP = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import json

other = InMemorySpanExporter()

def set_up():
    provider = TracerProvider(resource=Resource.create({"service.name": "the app", "team": "search"}))
    provider.add_span_processor(SimpleSpanProcessor(other))
    trace.set_tracer_provider(provider)

def work():
    tracer = trace.get_tracer("app")
    with tracer.start_as_current_span("GET /answer"):
        with tracer.start_as_current_span("select from table"):
            pass
        with tracer.start_as_current_span("retrieve and ask"):
            record("chat")
    with tracer.start_as_current_span("GET /health"):
        pass

def show():
    print(json.dumps({
        "names": sorted(span.name for span in other.get_finished_spans()),
        "traces": len({span.context.trace_id for span in other.get_finished_spans()}),
        "has_content": any("gen_ai.input.messages" in span.attributes for span in other.get_finished_spans()),
    }))
"""
BEFORE = "set_up(); from_here = pipeline.tracer(); work(); show()"
AFTER = "set_up(); work(); show()"


@pytest.fixture(params=["the app first", "Spanwise first"])
def start(request: pytest.FixtureRequest) -> str:
    """Either the provider is there when a tracer is first asked for, or requests are already under way."""
    return APP + (BEFORE if request.param == "the app first" else AFTER)


def test_one_tree_and_no_content_at_the_other_backend(sink: Any, run_app: Any, start: str) -> None:
    done = run_app(start, endpoint=sink.url)
    assert (done.code, done.lines) == (0, [])
    assert json.loads(done.out) == {
        "names": ["GET /answer", "GET /health", "chat", "retrieve and ask", "select from table"],
        "traces": 2,
        "has_content": False,
    }
    assert sink.names == ["GET /answer", "chat", "retrieve and ask"], "GenAI spans and their ancestors only"
    by_name = {span["name"]: span for span in sink.spans}
    assert by_name["chat"]["attributes"]["gen_ai.input.messages"] == '["chat"]'
    assert by_name["chat"]["parent"] == by_name["retrieve and ask"]["id"]
    assert by_name["retrieve and ask"]["parent"] == by_name["GET /answer"]["id"]
    assert by_name["chat"]["resource"]["service.name"] == "the app"
    assert by_name["chat"]["resource"]["telemetry.distro.name"] == "spanwise"


def test_settings_given_to_us_win_over_the_apps_resource_towards_us(sink: Any, run_app: Any) -> None:
    run_app(APP + AFTER, endpoint=sink.url, service_name="named", environment={})
    assert {span["resource"]["service.name"] for span in sink.spans} == {"named"}
    assert {span["resource"]["team"] for span in sink.spans} == {"search"}


@pytest.mark.parametrize("mode", ["SPAN_ONLY", "SPAN_AND_EVENT"])
def test_content_is_on_the_span_when_the_variable_asks_for_it(sink: Any, run_app: Any, mode: str) -> None:
    variable = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": mode}
    done = run_app(APP + AFTER, endpoint=sink.url, environment=variable)
    assert json.loads(done.out)["has_content"]
    (chat,) = [span for span in sink.spans if span["name"] == "chat"]
    assert chat["attributes"]["gen_ai.input.messages"] == '["chat"]'


def test_the_app_may_set_its_provider_any_time_before_the_first_span(sink: Any, run_app: Any) -> None:
    done = run_app(
        APP
        + """
before = type(trace.get_tracer_provider()).__name__
set_up()
record("chat")
print(before, type(trace.get_tracer_provider()).__name__, len(other.get_finished_spans()))
""",
        endpoint=sink.url,
    )
    assert (done.out, done.lines) == ("ProxyTracerProvider TracerProvider 1\n", [])
    assert sink.names == ["chat"]


def test_without_a_provider_ours_is_global_from_the_first_span_on(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        from opentelemetry import trace
        early = trace.get_tracer("app")
        print(type(trace.get_tracer_provider()).__name__)
        record("first")
        print(type(trace.get_tracer_provider()).__name__)
        with early.start_as_current_span("plan"):
            record("chat")
        with early.start_as_current_span("unrelated"):
            pass
        """,
        endpoint=sink.url,
        environment={"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "team=search,service.name=no"},
    )
    assert (done.out, done.lines) == ("ProxyTracerProvider\nOwnTracerProvider\n", [])
    assert sink.names == ["chat", "first", "plan"]
    resource = sink.spans[0]["resource"]
    assert (resource["service.name"], resource["team"]) == ("shop", "search")


def test_the_first_spans_of_many_threads_make_one_provider_quietly(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        import sys, threading
        sys.setswitchinterval(1e-6)
        start = threading.Barrier(16)
        def first():
            start.wait()
            record("chat")
        threads = [threading.Thread(target=first) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
        endpoint=sink.url,
    )
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["chat"] * 16


def test_isolated_touches_nothing_global(sink: Any, run_app: Any) -> None:
    script = APP + AFTER + "\nprint(type(trace.get_tracer_provider()).__name__)"
    done = run_app(script, endpoint=sink.url, isolated=True)
    shown = json.loads(done.out.splitlines()[0])
    assert shown["names"] == ["GET /answer", "GET /health", "retrieve and ask", "select from table"]
    assert sink.names == ["chat"]
    done = run_app(
        "from opentelemetry import trace; record('x'); print(type(trace.get_tracer_provider()).__name__)",
        endpoint=sink.url,
        isolated=True,
    )
    assert done.out == "ProxyTracerProvider\n"


def test_a_provider_that_records_nothing_stays_and_ours_works_beside_it(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        from opentelemetry import trace
        trace.set_tracer_provider(trace.NoOpTracerProvider())
        record("chat")
        print(type(trace.get_tracer_provider()).__name__)
        """,
        endpoint=sink.url,
    )
    assert (done.out, done.lines) == ("NoOpTracerProvider\n", [])
    assert sink.names == ["chat"]


def test_an_app_that_shuts_its_provider_down_sends_what_has_ended(sink: Any, run_app: Any) -> None:
    done = run_app(
        APP + "\nset_up()\nrecord('chat')\ntrace.get_tracer_provider().shutdown()\nos._exit(0)",
        endpoint=sink.url,
        environment={"OTEL_BSP_SCHEDULE_DELAY": "60000"},
    )
    assert (done.code, done.lines) == (0, [])
    assert sink.names == ["chat"]


def test_the_apps_force_flush_flushes_us(sink: Any, run_app: Any) -> None:
    done = run_app(
        APP + "\nset_up()\nrecord('chat')\nprint(trace.get_tracer_provider().force_flush())\nos._exit(0)",
        endpoint=sink.url,
        environment={"OTEL_BSP_SCHEDULE_DELAY": "60000"},
    )
    assert done.out == "True\n"
    assert sink.names == ["chat"]


def test_a_second_pipeline_on_the_same_provider_takes_over(sink: Any, run_app: Any) -> None:
    done = run_app(
        APP
        + """
set_up()
record("first")
pipeline.shutdown()
pipeline = Pipeline(Config.from_env(**settings))
record("second")
provider = trace.get_tracer_provider()
print(len(provider._active_span_processor._span_processors))
""",
        endpoint=sink.url,
    )
    assert (done.out, done.lines) == ("2\n", []), "the exporter of the app's, and one processor of ours"
    assert sink.names == ["first", "second"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, 1),
        ({"OTEL_SDK_DISABLED": "true"}, 0),
    ],
)
def test_the_standard_variables_decide_what_is_sampled(
    sink: Any, run_app: Any, environment: dict[str, str], expected: int
) -> None:
    done = run_app("record('chat')", endpoint=sink.url, environment=environment)
    assert (done.code, done.lines) == (0, [])
    assert len(sink.spans) == expected


def test_spans_of_other_genai_instrumentations_are_exported_too(sink: Any, run_app: Any) -> None:
    """Theirs may name the operation only after the span has started."""
    run_app(
        """
        from opentelemetry import trace
        pipeline.tracer()
        other = trace.get_tracer("opentelemetry.instrumentation.other")
        with trace.get_tracer("app").start_as_current_span("request"):
            with other.start_as_current_span("chat") as span:
                span.set_attribute("gen_ai.system", "other")
            with trace.get_tracer("http").start_as_current_span("GET"):
                pass
        """,
        endpoint=sink.url,
    )
    assert sink.names == ["chat", "request"]


def test_our_requests_are_not_traced_by_http_instrumentation(sink: Any, run_app: Any) -> None:
    done = run_app(
        """
        from opentelemetry import context
        from urllib3 import HTTPConnectionPool
        seen = []
        urlopen = HTTPConnectionPool.urlopen
        def watched(*args, **kwargs):
            keys = ("suppress_instrumentation", context._SUPPRESS_INSTRUMENTATION_KEY)
            seen.append(all(context.get_value(key) for key in keys))
            return urlopen(*args, **kwargs)
        HTTPConnectionPool.urlopen = watched
        record("chat")
        pipeline.flush()
        print(seen)
        """,
        endpoint=sink.url,
    )
    assert done.out == "[True]\n"
