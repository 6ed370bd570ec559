"""Patching: once, lazily, undone without a trace, and a reason for everything that is not patched."""

import builtins
import re
import subprocess
import sys
import types

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import TracerProvider

from spanwise import integrations
from spanwise.integrations import IntegrationError, _Installation, _patch


@pytest.fixture
def registry(monkeypatch, make_toy):
    """Only the small library, not installed yet."""
    entries = {"toy": _Installation(make_toy())}
    monkeypatch.setattr(integrations, "_installations", entries)
    monkeypatch.delenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", raising=False)
    yield entries
    integrations.uninstrument()


def state():
    (only,) = integrations.status()
    return only


def test_instrumenting_twice_patches_once_and_undoing_restores_the_very_object(registry, library, pipeline):
    original = vars(library.Client)["ask"]
    integrations.instrument()
    patched = vars(library.Client)["ask"]
    integrations.instrument("toy")
    assert vars(library.Client)["ask"] is patched is not original
    assert patched.__wrapped__ is original
    library.Client().ask("hi.")
    assert len(pipeline.spans) == 1
    integrations.uninstrument()
    assert vars(library.Client)["ask"] is original
    assert state().state == integrations.OFF
    integrations.instrument()
    library.Client().ask("hi.")
    assert len(pipeline.spans) == 2


def test_an_inherited_method_is_patched_where_it_was_asked_for_only(library):
    child = type("Child", (library.Client,), {})
    library.Child = child
    patch = _patch.apply(library, "Child.ask", lambda wrapped, instance, args, kwargs: "patched")
    assert child().ask("x") == "patched"
    assert library.Client().ask("x").words == "x"
    assert patch.remove()
    assert "ask" not in vars(child)


def test_a_patch_under_someone_elses_stays_and_passes_through(registry, library, pipeline):
    integrations.instrument()
    ours = vars(library.Client)["ask"]
    library.Client.ask = lambda self, words: ours.__get__(self)(words)
    integrations.uninstrument()
    assert library.Client().ask("hi.").words == "hi."
    assert pipeline.spans == []
    assert "wrapped by others" in state().detail


def test_a_library_imported_later_is_patched_then(registry, tmp_path, monkeypatch, pipeline):
    (tmp_path / "toyllm.py").write_text(
        "class Client:\n    def ask(self, words):\n        return self\n"
        "    words = 'x'\n    async def aask(self): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "toyllm", raising=False)
    integrations.instrument()
    assert state().state == integrations.WAITING
    import toyllm

    assert state().state == integrations.PATCHED
    assert state().targets == ("toyllm:Client.aask", "toyllm:Client.ask")
    toyllm.Client().ask("hi.")
    assert len(pipeline.spans) == 1
    sys.modules.pop("toyllm")


def test_a_method_that_the_version_lacks_is_listed(registry, library):
    del library.Client.aask
    integrations.instrument()
    assert state().state == integrations.PATCHED
    assert state().missing == ("toyllm:Client.aask",)


@pytest.mark.parametrize(
    ("changes", "wanted_state", "words"),
    [
        (
            {"distribution": "no-such-package"},
            integrations.NOT_INSTALLED,
            "pip install 'no-such-package>=1,<100'",
        ),
        ({"versions": ">=900,<901"}, integrations.UNSUPPORTED, "tested with >=900,<901"),
    ],
)
def test_what_cannot_be_traced_is_quiet_unless_asked_for(
    registry, library, make_toy, changes, wanted_state, words, caplog
):
    registry["toy"] = _Installation(make_toy(**changes))
    integrations.instrument()
    integrations.instrument()
    assert state().state == wanted_state
    assert words in state().detail
    assert len(caplog.records) == (1 if wanted_state == integrations.UNSUPPORTED else 0)
    assert not hasattr(vars(library.Client)["ask"], "__wrapped__")
    with pytest.raises(IntegrationError, match=r"no-such-package|wrapt"):
        integrations.instrument("toy")


def test_an_unknown_name_is_refused_with_those_that_exist(registry):
    with pytest.raises(ValueError, match="unknown integration 'opnai'; there are toy"):
        integrations.instrument("opnai")
    with pytest.raises(ValueError, match="unknown integration"):
        integrations.uninstrument("opnai")


@pytest.mark.parametrize("names", ["toy", "x, toy", "*"])
def test_opentelemetrys_variable_disables(registry, library, monkeypatch, names):
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", names)
    integrations.instrument()
    integrations.instrument("toy")
    assert state().state == integrations.DISABLED
    assert not hasattr(vars(library.Client)["ask"], "__wrapped__")


@pytest.mark.parametrize(
    ("version", "bounds", "is_within"),
    [
        ("1.40.0", ">=1.40,<4", True),
        ("1.39.9", ">=1.40,<4", False),
        ("4.0.0b1", ">=1.40,<4", False),
        ("3.54.0", ">=1.40, <4", True),
        ("2.0rc1", ">=2", True),
        ("10.1", ">=9.2", True),
    ],
)
def test_versions_are_compared_by_number(version, bounds, is_within):
    assert _patch.is_within(version, bounds) is is_within


def test_unreadable_bounds_are_refused():
    with pytest.raises(ValueError, match=re.escape(">=1.40,<4")):
        _patch.is_within("1.0", "~=1.2")


# --- other instrumentors ---


def other_instrumentor(monkeypatch, name, *, is_at_work):
    module = types.ModuleType(name)

    class ToyInstrumentor:
        _instance = types.SimpleNamespace(_is_instrumented_by_opentelemetry=is_at_work)
        _is_instrumented_by_opentelemetry = False

    ToyInstrumentor.__module__ = name
    module.ToyInstrumentor = ToyInstrumentor
    monkeypatch.setitem(sys.modules, name, module)
    return ToyInstrumentor._instance


@pytest.fixture
def provider(monkeypatch):
    """A TracerProvider of the app's, so that another instrumentor's spans are recorded."""
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    "name",
    [
        "opentelemetry.instrumentation.toy",
        "opentelemetry.instrumentation.toy_v2",
        "opentelemetry.instrumentation.genai.toy",
        "openinference.instrumentation.toy",
    ],
)
def test_another_instrumentor_at_work_is_left_to_it_with_one_line(
    registry, library, pipeline, monkeypatch, caplog, name
):
    other = other_instrumentor(monkeypatch, name, is_at_work=True)
    integrations.instrument()
    library.Client().ask("a.")
    library.Client().ask("b.")
    assert pipeline.spans == []
    assert [name in record.getMessage() for record in caplog.records] == [True]
    assert state().detail == f"its calls are left to {name}"
    other._is_instrumented_by_opentelemetry = False
    library.Client().ask("c.")
    assert len(pipeline.spans) == 1


def test_while_nobody_records_the_others_spans_ours_stands_in(registry, library, pipeline, monkeypatch):
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    other_instrumentor(monkeypatch, "opentelemetry.instrumentation.toy", is_at_work=True)
    seen = []
    integrations.instrument()
    library.Client().ask("a.", inner=lambda: seen.append(is_instrumentation_enabled()))
    assert len(pipeline.spans) == 1
    assert seen == [False]  # the other one, nested in ours, makes no second span


def test_an_isolated_pipeline_traces_beside_another_instrumentor(registry, library, start, monkeypatch):
    other_instrumentor(monkeypatch, "opentelemetry.instrumentation.toy", is_at_work=True)
    pipeline = start(isolated=True)
    integrations.instrument()
    library.Client().ask("a.")
    assert len(pipeline.spans) == 1


# --- importing ---


def test_importing_the_package_is_light_and_its_names_are_all_there():
    code = (
        "import sys, spanwise\n"
        "heavy = {'opentelemetry', 'wrapt', 'urllib3', 'openai'} & {m.split('.')[0] for m in sys.modules}\n"
        "assert not heavy, heavy\n"
        "assert set(spanwise.__all__) <= set(dir(spanwise))\n"
        "from spanwise import *\n"
        "assert callable(context) and callable(workflow) and callable(instrument)\n"
        "import spanwise.integrations, spanwise.pipeline\n"
        "assert all(callable(getattr(spanwise, n)) for n in spanwise.__all__ if n != '__version__')\n"
        "try:\n    spanwise.nope\nexcept AttributeError as error:\n    assert 'nope' in str(error)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_listed_name_exists():
    import spanwise

    assert sorted(spanwise.__all__) == spanwise.__all__
    assert not set(spanwise.__all__) & set(dir(builtins))


def scope_span(provider, scope, **attributes):
    return provider.get_tracer(scope).start_span("outer", attributes=attributes)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("scope", "attributes", "is_left"),
    [
        ("opentelemetry.instrumentation.openai.v1", {"gen_ai.request.model": "m"}, True),
        ("openinference.instrumentation.langchain", {"openinference.span.kind": "LLM"}, True),
        ("openinference.instrumentation.langchain", {"openinference.span.kind": "CHAIN"}, False),
        ("opentelemetry.instrumentation.httpx", {"http.request.method": "GET"}, False),
        ("the.app", {"gen_ai.request.model": "m"}, False),
    ],
)
def test_a_call_inside_anothers_open_span_of_it_is_left_to_that(
    registry, library, pipeline, scope, attributes, is_left
):
    """An instrumentor that says it is off, but whose patches stayed."""
    integrations.instrument()
    span = scope_span(TracerProvider(), scope, **attributes)
    with trace.use_span(span, end_on_exit=True):
        library.Client().ask("a.")
    assert len(pipeline.spans) == (0 if is_left else 1)
    library.Client().ask("b.")
    assert len(pipeline.spans) == (1 if is_left else 2)


def test_a_method_that_another_put_on_a_subclass_does_not_hide_ours(registry, library, pipeline):
    """OpenInference wraps the inherited method on the subclass, and later puts the original there."""
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

    class Child(library.Client):
        pass

    class Other(BaseInstrumentor):
        def instrumentation_dependencies(self):
            return ()

        def _instrument(self, **kwargs):
            self.before = before = Child.ask

            def wrapped(self, *args, **kwargs):
                return before(self, *args, **kwargs)

            wrapped.__wrapped__ = before
            Child.ask = wrapped

        def _uninstrument(self, **kwargs):
            Child.ask = self.before

    other = Other()
    other.instrument(skip_dep_check=True)
    integrations.instrument()
    Child().ask("a.")
    assert len(pipeline.spans) == 1, "covered on the subclass, too"
    other.uninstrument()
    assert "ask" not in vars(Child)
    Child().ask("b.")
    assert len(pipeline.spans) == 2
    other.instrument(skip_dep_check=True)
    Child().ask("c.")
    assert len(pipeline.spans) == 3
    other.uninstrument()
    Child().ask("d.")
    assert len(pipeline.spans) == 4
    integrations.uninstrument()
    Child().ask("e.")
    assert len(pipeline.spans) == 4


def test_logfires_mark_on_a_client_is_known(registry, library, pipeline, monkeypatch):
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
    monkeypatch.setitem(sys.modules, "logfire", types.ModuleType("logfire"))
    monkeypatch.setitem(sys.modules, "toy", library)
    monkeypatch.setattr(library, "OpenAI", library.Client, raising=False)
    monkeypatch.setattr(library.Client, "_is_instrumented_by_logfire", True, raising=False)
    integrations.instrument()
    library.Client().ask("a.")
    assert pipeline.spans == []
