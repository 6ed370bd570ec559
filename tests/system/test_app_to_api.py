"""One line in an app, one command for the server: what the API returns is the call that was made."""

from typing import Any

import pytest

pytestmark = pytest.mark.e2e

APP = """
import sys; sys.path.insert(0, {stubs!r})
import openai_stub
import spanwise, openai
base_url = openai_stub.serve()
{setup}
client = openai.OpenAI(api_key="sk-test", base_url=base_url)
"""


@pytest.fixture
def stubs() -> str:
    from pathlib import Path

    return str(Path(__file__).parent)


def test_a_chat_call_under_a_workflow_comes_back_whole(server: Any, run_app: Any, stubs: str) -> None:
    code = APP.format(stubs=stubs, setup=f"spanwise.instrument(endpoint={server.url!r}, service_name='shop')")
    code += """
@spanwise.workflow
def answer(question):
    with spanwise.context(conversation_id="c-1", user_id="ada", tags=["beta"], plan="gold"):
        reply = client.chat.completions.create(
            model="gpt-4o", temperature=0.2,
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}])
    return reply.choices[0].message.content
print(answer("Capital of France, asks ada@example.com"))
"""
    done = run_app(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Paris is the capital.\n", "")

    (row,) = server.get("/api/v1/traces?service=shop")["items"]
    assert (row["name"], row["span_count"], row["status"]) == ("invoke_workflow answer", 2, "unset")
    assert (row["input_tokens"], row["output_tokens"], row["models"]) == (20, 5, ["gpt-4o-2024-08-06"])
    assert (row["user_id"], row["conversation_id"]) == ("ada", "c-1")
    assert row["cost_usd"] == pytest.approx((12 * 2.5 + 8 * 1.25 + 5 * 10) / 1e6)

    trace = server.get(f"/api/v1/traces/{row['trace_id']}")
    root, chat = sorted(trace["spans"], key=lambda span: span["start"])
    assert (root["operation"], root["parent_span_id"] or None) == ("invoke_workflow", None)
    assert chat["parent_span_id"] == root["span_id"]
    assert (chat["name"], chat["operation"], chat["provider"]) == ("chat gpt-4o", "chat", "openai")
    assert (chat["request_model"], chat["response_model"]) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (chat["input_tokens"], chat["output_tokens"]) == (20, 5)
    assert (chat["cached_input_tokens"], chat["reasoning_output_tokens"]) == (8, 2)
    assert chat["finish_reasons"] == ["stop"]
    assert chat["duration_ns"] > 0
    assert len(chat["start"]) == len("2026-01-01T00:00:00.000000000Z")
    texts = [part["content"] for message in chat["input_messages"] for part in message["parts"]]
    assert texts == ["Be brief.", "Capital of France, asks [email]"]
    assert chat["output_messages"][0]["parts"] == [{"type": "text", "content": "Paris is the capital."}]
    assert chat["attributes"]["gen_ai.request.temperature"] == 0.2
    assert chat["resource"]["service.name"] == "shop"
    assert "sk-test" not in str(trace)


def test_a_provider_error_reaches_the_app_unchanged_and_the_trace(
    server: Any, run_app: Any, stubs: str
) -> None:
    code = APP.format(stubs=stubs, setup=f"spanwise.instrument(endpoint={server.url!r})")
    code += """
try:
    client.chat.completions.create(model="missing", messages=[{"role": "user", "content": "x"}])
except openai.NotFoundError as error:
    print(type(error).__name__, error.status_code)
"""
    assert run_app(code, OTEL_SERVICE_NAME="shop").stdout == "NotFoundError 404\n"
    (row,) = server.get("/api/v1/traces?status=error")["items"]
    (span,) = server.get(f"/api/v1/traces/{row['trace_id']}")["spans"]
    assert span["status"] == "error"
    assert "no such model" in span["status_message"]
    assert span["error_type"]
    assert span["cost_usd"] is None


def test_a_hundred_async_streams_half_of_them_cancelled(server: Any, run_app: Any, stubs: str) -> None:
    setup = f"spanwise.instrument(endpoint={server.url!r}, service_name='streams')"
    code = APP.format(stubs=stubs, setup=setup)
    code += """
import asyncio
bare = "openai.AsyncStream"

async def read(client, number):
    with spanwise.span(f"job {number}"):
        stream = await client.chat.completions.create(
            model="gpt-4o", stream=True, messages=[{"role": "user", "content": f"{number}?"}])
        assert type(stream) is openai.AsyncStream, type(stream)
        async for chunk in stream:
            if number % 2 and chunk.choices and chunk.choices[0].delta.content == "is ":
                asyncio.current_task().cancel()
                await asyncio.sleep(0)

async def main():
    client = openai.AsyncOpenAI(api_key="sk-test", base_url=base_url, max_retries=0)
    results = await asyncio.gather(*(read(client, n) for n in range(100)), return_exceptions=True)
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    print(cancelled, sum(r is None for r in results))

asyncio.run(main())
"""
    done = run_app(code, timeout_s=90)
    assert done.stdout == "50 50\n", done.stderr
    # The client itself complains of its unclosed generators at the end of such a loop, with and without us.
    assert "Failed to detach context" not in done.stderr
    assert "spanwise" not in done.stderr
    rows = server.get("/api/v1/traces?service=streams&limit=200")["items"]
    assert [row["span_count"] for row in rows] == [2] * 100
    for row in rows[:20]:
        spans = {span["operation"]: span for span in server.get(f"/api/v1/traces/{row['trace_id']}")["spans"]}
        job = next(span for span in spans.values() if span["name"].startswith("job "))
        assert spans["chat"]["parent_span_id"] == job["span_id"]
        assert spans["chat"]["time_to_first_chunk_ns"] > 0


@pytest.mark.parametrize("order", ["provider first", "instrument first"])
def test_an_app_with_its_own_opentelemetry_keeps_it(
    server: Any, run_app: Any, stubs: str, order: str
) -> None:
    provider = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
other = InMemorySpanExporter()
mine = TracerProvider()
mine.add_span_processor(SimpleSpanProcessor(other))
trace.set_tracer_provider(mine)
"""
    ours = f"spanwise.instrument(endpoint={server.url!r})\n"
    code = APP.format(stubs=stubs, setup=provider + ours if order == "provider first" else ours + provider)
    code += """
assert trace.get_tracer_provider() is mine
with trace.get_tracer("app").start_as_current_span("handle request"):
    with trace.get_tracer("app").start_as_current_span("unrelated"):
        pass
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "secret words"}])
names = sorted(span.name for span in other.get_finished_spans())
print(names, len({span.context.trace_id for span in other.get_finished_spans()}))
print("secret words" in "".join(span.to_json() for span in other.get_finished_spans()))
"""
    done = run_app(code, OTEL_SERVICE_NAME="citizen")
    assert done.stdout == "['chat gpt-4o', 'handle request', 'unrelated'] 1\nFalse\n", done.stderr
    (row,) = server.get("/api/v1/traces?service=citizen")["items"]
    trace = server.get(f"/api/v1/traces/{row['trace_id']}")
    assert sorted(span["name"] for span in trace["spans"]) == ["chat gpt-4o", "handle request"]
    assert "secret words" in str(trace)
