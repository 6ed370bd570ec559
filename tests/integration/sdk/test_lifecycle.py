"""``instrument()`` and its opposites in apps of their own, with the real ``openai`` client."""

import json

import pytest

pytest.importorskip("openai")


def names(server):
    return sorted(span.name for span in server.spans)


@pytest.mark.parametrize("order", ["before", "after"])
def test_one_line_before_or_after_the_import_is_enough(server, run_app, order):
    lines = ["spanwise.instrument(service_name='shop')", "import openai"]
    code = "\n".join(lines if order == "before" else reversed(lines))
    assert run_app(code + "\nprint(ask(client()).choices[0].message.content)") == ""
    (span,) = server.spans
    assert span.name == "chat m-1"
    (message,) = json.loads(span.attributes["gen_ai.input.messages"])
    assert message["parts"][0]["content"] == "Why is the sky blue? Mail me: [email]"
    assert span.attributes["gen_ai.usage.output_tokens"] == 3


def test_instrumenting_again_changes_nothing_and_says_so_only_for_other_settings(server, run_app):
    log = run_app(
        "spanwise.instrument()\nspanwise.instrument('openai')\nask(client())\n"
        "spanwise.instrument(capture=False)\nask(client())"
    )
    assert log.count("\n") == 1
    assert "other settings" in log
    assert names(server) == ["chat m-1"] * 2
    assert all("gen_ai.input.messages" in span.attributes for span in server.spans)


def test_the_original_methods_come_back_and_spanwise_can_be_switched_on_again(server, run_app):
    run_app(
        """
import openai
from openai._base_client import SyncAPIClient
before = {name: value for name, value in vars(SyncAPIClient).items()}
submit = vars(__import__("concurrent.futures").futures.ThreadPoolExecutor)["submit"]
spanwise.instrument()
ask(client())
spanwise.uninstrument()
assert all(vars(SyncAPIClient)[name] is value for name, value in before.items())
assert vars(__import__("concurrent.futures").futures.ThreadPoolExecutor)["submit"] is submit
ask(client())
spanwise.instrument(capture=False)
ask(client())
spanwise.shutdown()
ask(client())
"""
    )
    assert ["gen_ai.input.messages" in span.attributes for span in server.spans] == [True, False]


def test_a_disabled_sdk_does_nothing(server, run_app):
    run_app(
        """
spanwise.instrument()
@spanwise.workflow
def work():
    with spanwise.span("block"):
        return ask(client())
work()
assert spanwise.flush() is True
assert "opentelemetry.sdk.trace" not in sys.modules
""",
        OTEL_SDK_DISABLED="true",
    )
    assert server.spans == []


def test_steps_contexts_and_model_calls_are_one_tree(server, run_app):
    run_app(
        """
from concurrent.futures import ThreadPoolExecutor
spanwise.instrument()

@spanwise.tool
def search(query):
    return ["sky"]

@spanwise.workflow
def answer(question):
    with spanwise.context(user_id="u-1", conversation_id="c-1"), ThreadPoolExecutor() as pool:
        pool.submit(search, question).result()
        return "".join(chunk.choices[0].delta.content or "" for chunk in ask(client(), stream=True))

assert answer("why?") == "It is blue."
"""
    )
    by_name = {span.name: span for span in server.spans}
    root = by_name["invoke_workflow answer"]
    assert set(by_name) == {"invoke_workflow answer", "execute_tool search", "chat m-1"}
    for name in ("execute_tool search", "chat m-1"):
        assert by_name[name].parent_span_id == root.span_id
        assert by_name[name].attributes["user.id"] == "u-1"
        assert by_name[name].attributes["gen_ai.conversation.id"] == "c-1"


def test_a_hundred_streams_half_of_them_cancelled(server, run_app):
    log = run_app(
        """
spanwise.instrument()
async def read(client, number):
    with spanwise.span(f"request {number}"):
        stream = await ask(client, stream=True)
        assert type(stream).__name__ == "AsyncStream"
        async for _ in stream:
            if number % 2:
                await asyncio.Event().wait()

async def main():
    async with client("AsyncOpenAI") as shared:
        tasks = [asyncio.create_task(read(shared, number)) for number in range(100)]
        await asyncio.wait(tasks[::2])
        await asyncio.wait(tasks[1::2], timeout=0.5)
        for task in tasks[1::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

asyncio.run(main())
gc.collect()
"""
    )
    # The bare client prints "already running" by itself when a loop ends with its streams open.
    assert "detach" not in log
    assert "spanwise" not in log
    requests = {span.span_id for span in server.spans if span.name.startswith("request")}
    chats = [span for span in server.spans if span.name == "chat m-1"]
    assert len(requests) == len(chats) == 100
    assert {span.parent_span_id for span in chats} == requests


def test_an_abandoned_stream_is_exported(server, run_app):
    run_app(
        "spanwise.instrument()\nstream = ask(client(), stream=True)\nnext(stream)\ndel stream\ngc.collect()"
    )
    (span,) = server.spans
    assert span.attributes["spanwise.stream.incomplete"] is True
