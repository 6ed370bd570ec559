"""What ``sdk_overhead`` measures: set-ups that trace the clients, Spanwise, a span by hand, and the peers.

Each exports to the same local OTLP receiver with content captured. ``set_up`` runs once in a process of the
subject's own environment and returns what flushes; ``PACKAGES`` is what that environment is made of. Nothing
but the standard library is imported here.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

Flush = Callable[[], object]
_SDK = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
_CLIENTS = ("openai==3.54.0", "anthropic==2.12.0")


def spanwise(sink: str) -> Flush:
    """This project, as one line sets it up."""
    import spanwise as sdk

    sdk.instrument("openai", "anthropic", endpoint=sink, service_name="benchmark")
    return sdk.flush


def by_hand(sink: str) -> Flush:
    """Nothing: the calls themselves start the spans, see ``_overhead_by_hand``."""
    import _overhead_by_hand

    provider = _stock_provider(sink)
    _overhead_by_hand.tracer = provider.get_tracer("by hand")
    return provider.force_flush  # type: ignore[no-any-return]


def openllmetry(sink: str) -> Flush:
    """Traceloop's instrumentors."""
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    return _instrumented(sink, OpenAIInstrumentor(), AnthropicInstrumentor())


def openinference(sink: str) -> Flush:
    """Arize's instrumentors."""
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    return _instrumented(sink, OpenAIInstrumentor(), AnthropicInstrumentor())


def otel_genai(sink: str) -> Flush:
    """OpenTelemetry's present instrumentors."""
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    return _instrumented(sink, OpenAIInstrumentor(), AnthropicInstrumentor())


def openai_v2(sink: str) -> Flush:
    """OpenTelemetry's earlier instrumentor, for OpenAI only."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    return _instrumented(sink, OpenAIInstrumentor())


def openlit(sink: str) -> Flush:
    """OpenLIT."""
    import openlit as sdk
    from opentelemetry import trace

    others = ["httpx", "requests", "urllib", "urllib3", "aiohttp-client"]  # they would trace the HTTP below
    sdk.init(otlp_endpoint=sink, disable_metrics=True, disable_events=True, disabled_instrumentors=others)
    return trace.get_tracer_provider().force_flush  # type: ignore[attr-defined,no-any-return]


def logfire(sink: str) -> Flush:
    """Pydantic's Logfire, which sends wherever OpenTelemetry's variables say."""
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{sink}/v1/traces"
    import logfire as sdk

    sdk.configure(send_to_logfire=False, console=False, metrics=False, service_name="benchmark")
    sdk.instrument_openai()
    sdk.instrument_anthropic()
    return sdk.force_flush  # type: ignore[no-any-return]


def langfuse(sink: str) -> Flush:
    """Langfuse, which replaces the ``openai`` module; for Anthropic it refers to other instrumentors."""
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-lf-benchmark", secret_key="sk-lf-benchmark", base_url=sink)
    import langfuse.openai  # noqa: F401 - importing it is what patches

    return client.flush  # type: ignore[no-any-return]


def mlflow(sink: str) -> Flush:
    """MLflow's tracing, by OTLP."""
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = f"{sink}/v1/traces"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    import mlflow as sdk
    from mlflow.tracing.provider import provider

    sdk.openai.autolog()
    sdk.anthropic.autolog()

    def flush() -> None:
        found: Any = provider.get()
        if found is not None:  # it is made with the first span
            found.force_flush()

    return flush


def _instrumented(sink: str, *instrumentors: Any) -> Flush:
    """Switches instrumentors of OpenTelemetry's kind on, with the stock batch processor and exporter."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    os.environ["TRACELOOP_TRACE_CONTENT"] = "true"
    provider = _stock_provider(sink)
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    return provider.force_flush  # type: ignore[no-any-return]


def _stock_provider(sink: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink}/v1/traces")))
    return provider


def set_up(name: str, sink: str) -> Flush:
    """Makes a subject trace this process's clients."""
    logging.disable(logging.WARNING)  # some warn at each call about what they could not read
    return SUBJECTS[name](sink)


SUBJECTS: dict[str, Callable[[str], Flush]] = {
    "spanwise": spanwise,
    "by-hand": by_hand,
    "openllmetry": openllmetry,
    "openinference": openinference,
    "otel-genai": otel_genai,
    "openai-v2": openai_v2,
    "openlit": openlit,
    "logfire": logfire,
    "langfuse": langfuse,
    "mlflow": mlflow,
}
PEERS = tuple(name for name in SUBJECTS if name not in ("spanwise", "by-hand"))
PACKAGES: dict[str, tuple[str, ...]] = {
    "openllmetry": (
        "opentelemetry-instrumentation-openai==0.62.4",
        "opentelemetry-instrumentation-anthropic==0.62.4",
        *_SDK,
        *_CLIENTS,
    ),
    "openinference": (
        "openinference-instrumentation-openai==0.1.66",
        "openinference-instrumentation-anthropic==3.1.0",
        *_SDK,
        *_CLIENTS,
    ),
    "otel-genai": (
        "opentelemetry-instrumentation-genai-openai==1.3b0",
        "opentelemetry-instrumentation-genai-anthropic==1.3b0",
        *_SDK,
        *_CLIENTS,
    ),
    "openai-v2": (
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "opentelemetry-util-genai==1.0b0",
        "httpx",
        *_SDK,
        *_CLIENTS,
    ),
    "openlit": ("openlit==1.45.0", "openai==2.54.0", "anthropic==0.125.0"),
    "logfire": ("logfire==5.2.0", *_CLIENTS),
    "langfuse": ("langfuse==5.0.4", *_CLIENTS),
    "mlflow": (
        "mlflow-tracing==3.17.2",
        "sqlparse",  # needed, and not declared
        "opentelemetry-exporter-otlp-proto-http",
        *_CLIENTS,
    ),
}
