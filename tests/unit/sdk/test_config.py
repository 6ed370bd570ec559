"""Settings: arguments win over the environment; wrong arguments raise, wrong variables are reported."""

import pytest

from spanwise.config import CaptureMode, Config

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith(("OTEL_", "SPANWISE_")):
            monkeypatch.delenv(name)


def test_the_defaults():
    config = Config.from_env()
    assert config.endpoint == "http://127.0.0.1:4318/v1/traces"
    assert config.is_endpoint_default
    assert config.capture is CaptureMode.SPANWISE
    assert config.scrub is True
    assert not config.disabled


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318/base"}, "http://h:4318/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318/"}, "http://h:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/own"}, "http://h/own"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/own", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://i"},
            "http://h/own",
        ),
    ],
)
def test_the_endpoint_follows_opentelemetry(monkeypatch, variables, endpoint):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = Config.from_env()
    assert config.endpoint == endpoint
    assert not config.is_endpoint_default
    assert Config.from_env(endpoint="http://code").endpoint == "http://code/v1/traces"
    assert Config.from_env(endpoint="http://code/v1/traces").endpoint == "http://code/v1/traces"


def test_headers_are_decoded_and_merged(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, X-Team=a%2Cb")
    assert Config.from_env().headers == {"authorization": "Bearer abc", "x-team": "a,b"}
    assert Config.from_env(api_key="k").headers["authorization"] == "Bearer k"
    assert Config.from_env(headers={"X-Team": "c"}).headers["x-team"] == "c"


def test_secrets_are_not_shown(monkeypatch):
    assert "hush" not in repr(Config.from_env(api_key="hush"))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("NO_CONTENT", CaptureMode.NO_CONTENT),
        ("span_only", CaptureMode.SPAN_ONLY),
        ("EVENT_ONLY", CaptureMode.EVENT_ONLY),
        ("Span_And_Event", CaptureMode.SPAN_AND_EVENT),
        ("true", CaptureMode.SPAN_ONLY),
        ("false", CaptureMode.NO_CONTENT),
        ("nonsense", CaptureMode.NO_CONTENT),
        ("", CaptureMode.SPANWISE),
    ],
)
def test_the_capture_variable_has_opentelemetrys_modes(monkeypatch, text, mode):
    monkeypatch.setenv(CAPTURE, text)
    assert Config.from_env().capture is mode
    assert Config.from_env(capture=True).capture is CaptureMode.SPANWISE
    assert Config.from_env(capture=False).capture is CaptureMode.NO_CONTENT
    assert Config.from_env(capture="span_only").capture is CaptureMode.SPAN_ONLY


def test_unusable_variables_are_reported_and_ignored(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
    config = Config.from_env()
    assert (config.timeout_s, config.compression, config.is_endpoint_default) == (10.0, "none", True)
    assert config.endpoint == "http://127.0.0.1:4318/v1/traces"
    assert len(caplog.records) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"endpoint": "collector:4318"}, ValueError, "endpoint must be an http"),
        ({"capture": "all"}, ValueError, "capture must be True, False or one of"),
        ({"compression": "lzma"}, ValueError, "'none', 'gzip' or 'deflate'"),
        ({"scrub": "yes"}, ValueError, "scrub must be True, False or a function"),
        ({"max_queue_bytes": 0}, ValueError, "max_queue_bytes must be greater than 0"),
        ({"endpoint": 4318}, TypeError, "endpoint must be an http"),
        ({"headers": "x-key=1"}, TypeError, "headers must be a mapping of names to values, not str"),
        ({"endpont": "http://x"}, TypeError, "no argument 'endpont'"),
    ],
)
def test_wrong_arguments_say_what_would_work(arguments, error, words):
    with pytest.raises(error, match=words):
        Config.from_env(**arguments)


def test_a_disabled_sdk_is_disabled(monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert Config.from_env().disabled


def test_an_argument_that_does_not_exist_is_named_with_all_that_do() -> None:
    with pytest.raises(TypeError, match=r"no argument .nosuch.; it takes api_key, .*environment.*timeout_s"):
        Config.from_env(nosuch=1)
