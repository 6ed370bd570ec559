"""Run by ``test_peers`` in an environment with one other instrumentor: how many spans a call has, and whose.

    python peer_app.py <peer> <order> <url of an OpenAI stub>

Prints JSON as its last line: for each phase, each kind of call with the scopes of its model-call spans.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

PEER, ORDER, URL = sys.argv[1:4]
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Capital of France"}]}


class Log(logging.Handler):
    """Keeps the lines of our logger."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


log = Log()
logging.getLogger("spanwise").addHandler(log)
logging.getLogger("spanwise").propagate = False


def provider_and_memory() -> tuple[Any, Any]:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    if PEER == "logfire":
        import logfire

        logfire.configure(
            send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(memory)]
        )
        return trace.get_tracer_provider(), memory
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    return provider, memory


def peer_on(provider: Any) -> Callable[[], object] | None:
    """Switches the other instrumentor on; returns what switches it off, where it can be."""
    if PEER == "logfire":
        import logfire

        undo = logfire.instrument_openai()

        def leave() -> None:
            with undo:
                pass

        return leave
    if PEER == "openlit":
        import openlit
        from openlit.instrumentation.openai import OpenAIInstrumentor

        openlit.init(disable_metrics=True, disabled_instrumentors=["httpx"])
        return lambda: OpenAIInstrumentor().uninstrument()
    elif PEER == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor as Kind
    elif PEER == "openai_v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as Kind
    elif PEER == "genai":
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Kind
    elif PEER == "openllmetry":
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor as Kind
    elif PEER == "langfuse":
        from langfuse import Langfuse

        where = {"base_url": "http://127.0.0.1:9", "timeout": 1}
        Langfuse(public_key="p", secret_key="s", tracer_provider=provider, **where)
        import langfuse.openai  # noqa: F401  wraps the client for good

        return None
    else:
        raise SystemExit(f"unknown peer {PEER}")
    kind = Kind()
    kind.instrument(tracer_provider=provider, skip_dep_check=True)
    return lambda: kind.uninstrument()  # looked up when it is called, as an app does


def call_all(memory: Any) -> dict[str, list[str]]:
    """Makes a call of each kind; returns the scopes of its spans that Spanwise takes for its own."""
    import openai

    from spanwise.processor import is_genai

    found = {}
    for kind, call in (("plain", plain), ("stream", stream), ("async", async_plain)):
        memory.clear()
        call(openai)
        spans = [span for span in memory.get_finished_spans() if is_genai(span)]
        found[kind] = [
            span.instrumentation_scope.name
            for span in spans
            # Logfire logs a finished stream as one more span, without tokens
            if (span.attributes or {}).get("logfire.span_type") != "log"
        ]
    return found


def plain(openai: Any) -> None:
    with openai.OpenAI(base_url=URL, api_key="k", max_retries=0) as client:
        client.chat.completions.create(**ASKED)


def stream(openai: Any) -> None:
    with openai.OpenAI(base_url=URL, api_key="k", max_retries=0) as client:
        for _ in client.chat.completions.create(**ASKED, stream=True):
            pass


def async_plain(openai: Any) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=URL, api_key="k", max_retries=0) as client:
            await client.chat.completions.create(**ASKED)

    asyncio.run(ask())


def main() -> None:
    import spanwise

    provider, memory = provider_and_memory()
    undo = None
    if ORDER == "peer first":
        undo = peer_on(provider)
    spanwise.instrument(endpoint="http://127.0.0.1:9")
    if ORDER == "ours first":
        import openai  # noqa: F401  patched by us as it is imported

        undo = peer_on(provider)
    phases = {"both": call_all(memory)}
    if undo is not None:
        undo()
        phases["after it was switched off"] = call_all(memory)
        undo = peer_on(provider)
        phases["after it was switched on again"] = call_all(memory)
        if undo is not None:
            undo()
    spanwise.uninstrument()
    phases["after both"] = call_all(memory)
    print("\n" + json.dumps({"phases": phases, "log": log.lines}))


main()
