"""PydanticAI's own spans: agents, tools, model calls; one span a call, and content where policy says."""

from typing import Any

import openai_style
import pytest
from cassettes import made_up
from loopback import Loopback
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from span_memory import SpanMemory, traced

from spanwise import integrations

pytest.importorskip("pydantic_ai", reason="not installed: pip install 'spanwise[test-libraries]'")
import openai
from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider

LIBRARIES = ("pydantic_ai", "openai")
PATH = "/v1/chat/completions"
STREAM = {"content-type": "text/event-stream"}


def helper() -> "Agent[None, str]":
    agent = Agent(TestModel(), name="helper", system_prompt="Be brief.")

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    return agent


def openai_agent(url: str, **further: Any) -> "Agent[None, str]":
    provider = OpenAIProvider(base_url=url + "/v1", api_key="k")
    return Agent(OpenAIChatModel("m", provider=provider), name="asker", **further)


def test_agent_tool_and_model_are_one_tree(memory: SpanMemory) -> None:
    helper().run_sync("Weather in Rome?")
    ended = memory.exporter.get_finished_spans()
    agent = ended[-1]
    assert {span.parent.span_id for span in ended[:-1] if span.parent} == {agent.context.span_id}
    spans = memory.take()
    names = ["chat test", "execute_tool weather", "chat test", "invoke_agent helper"]
    assert [span["name"] for span in spans] == names
    first, tool, second, whole = spans
    assert first["output_messages"][0]["parts"][0]["name"] == "weather"
    assert tool["attributes"]["gen_ai.tool.call.arguments"] == {"city": "a"}
    assert tool["attributes"]["gen_ai.tool.call.result"] == "sunny in a"
    assert second["input_messages"][0] == {
        "role": "system",
        "parts": [{"type": "text", "content": "Be brief."}],
    }
    assert whole["attributes"]["spanwise.output"] == {"weather": "sunny in a"}
    assert whole["attributes"]["gen_ai.agent.name"] == "helper"


def test_what_was_said_is_not_on_the_spans(memory: SpanMemory) -> None:
    helper().run_sync("Weather in Rome?")
    for span in memory.exporter.get_finished_spans():
        written = str(dict(span.attributes or {})) + str(span.events)
        assert not any(word in written for word in ("Rome", "sunny", "Be brief")), written


def test_no_content_where_it_is_off() -> None:
    with traced(LIBRARIES, capture="NO_CONTENT") as memory:
        helper().run_sync("Weather in Rome?")
        assert len(memory.take()) == 4
        assert memory.content == {}


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_model_call_is_one_span_although_the_client_is_traced(
    memory: SpanMemory, loopback: Loopback, is_stream: bool
) -> None:
    if is_stream:
        url = loopback.put(made_up("pa-stream", PATH, openai_style.STREAM, headers=STREAM))
        async with openai_agent(url).run_stream("Hello?") as running:
            assert await running.get_output() == openai_style.TEXT
        usage = running.usage
    else:
        url = loopback.put(made_up("pa", PATH, openai_style.ANSWER))
        result = await openai_agent(url).run("Hello?")
        assert result.output == openai_style.TEXT
        usage = result.usage
    chat, agent = memory.take()
    assert (chat["name"], agent["name"]) == ("chat m", "invoke_agent asker")
    usage = usage if hasattr(usage, "input_tokens") else usage()
    counts = [chat[key] for key in ("input_tokens", "output_tokens", "cached_input_tokens")]
    # 2.0 does not count at an address that it does not know
    said = [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens]
    assert counts == [count or None for count in said]
    assert said == ([20, 9, 8] if any(said) else [0, 0, 0])
    assert chat["reasoning_output_tokens"] == 4
    assert chat["response_model"] == "m-2026"
    assert chat["output_messages"][0]["parts"][0]["content"] == openai_style.TEXT
    assert agent["input_tokens"] is None, "an agent repeats its children's counts under another name"


async def test_a_call_inside_a_tool_is_a_call_of_its_own(memory: SpanMemory, loopback: Loopback) -> None:
    url = loopback.put(made_up("pa-inner", PATH, openai_style.ANSWER))
    agent = Agent(TestModel(), name="outer")

    @agent.tool_plain
    async def ask(words: str) -> str:
        async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="k") as client:
            answer = await client.chat.completions.create(model="inner", messages=openai_style.ASKED)
        return str(answer.choices[0].message.content)

    await agent.run("Ask.")
    names = [span["name"] for span in memory.take()]
    assert names == ["chat test", "chat inner", "execute_tool ask", "chat test", "invoke_agent outer"]


async def test_a_refusal_is_an_error_of_both(memory: SpanMemory, loopback: Loopback) -> None:
    refusal = {"error": {"message": "No such model", "code": "gone", "type": "invalid"}}
    url = loopback.put(made_up("pa-gone", PATH, refusal, status=404))
    with pytest.raises(Exception, match="No such model"):
        await openai_agent(url).run("Hello?")
    chat, agent = memory.take()
    assert (chat["status"], agent["status"]) == ("error", "error")


def test_a_model_that_fails_raises_what_it_raises(memory: SpanMemory) -> None:
    def fail(*_: Any) -> Any:
        raise LookupError("nowhere")

    with pytest.raises(LookupError, match="nowhere"):
        Agent(FunctionModel(fail)).run_sync("Hello?")
    assert [span["status"] for span in memory.take()] == ["error", "error"]


def test_settings_of_the_apps_own_stay_and_a_call_is_still_one_span(loopback: Loopback) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    own = InstrumentationSettings(tracer_provider=provider)
    url = loopback.put(made_up("pa-own", PATH, openai_style.ANSWER))
    Agent.instrument_all(own)
    try:
        with traced(LIBRARIES) as memory:
            assert Agent._instrument_default is own
            openai_agent(url).run_sync("Hello?")
            theirs = [span.name for span in exporter.get_finished_spans()]
            assert theirs == ["chat m", "invoke_agent asker"]
            # Their provider is not the global one here, so that ours stands in for their model call.
            assert [span["name"] for span in memory.take()] == ["chat m"]
        assert Agent._instrument_default is own
    finally:
        Agent.instrument_all(False)


def test_switching_off_gives_the_default_back(memory: SpanMemory) -> None:
    assert Agent._instrument_default is not False
    integrations.uninstrument(*LIBRARIES)
    assert Agent._instrument_default is False
    helper().run_sync("Hello?")
    assert memory.take() == []
