"""Runs of the OpenAI Agents SDK."""

import asyncio
from typing import Any

import agents
import openai
from agents import Agent, OpenAIChatCompletionsModel, Runner
from cassettes import made_up, sse
from loopback import Loopback
from sampled_openai import _ANSWER, _CHUNKS, _REFUSAL


def _agent(loopback: Loopback, key: str, body: Any, **further: Any) -> Any:
    agents.set_trace_processors([])
    root = loopback.put(made_up(key, "/chat/completions", body, **further))
    client = openai.AsyncOpenAI(api_key="k", base_url=root, max_retries=0)
    return Agent(name="A", model=OpenAIChatCompletionsModel("gpt-4o", client))


def call(loopback: Loopback, text: str) -> Any:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # else it leaves one of its own behind
    agent = _agent(loopback, "agents-call", _ANSWER)
    try:
        return Runner.run_sync(agent, text).final_output
    finally:
        loop.run_until_complete(agent.model._client.close())
        asyncio.set_event_loop(None)
        loop.close()


def async_call(loopback: Loopback, text: str) -> Any:
    agent = _agent(loopback, "agents-async", _ANSWER)

    async def ask() -> Any:
        with agents.trace("Sample"), agents.custom_span("step") as span:
            span.set_error({"message": "not that bad", "data": None})
            return (await Runner.run(agent, text)).final_output

    return asyncio.run(ask())


def async_stream(loopback: Loopback, text: str) -> Any:
    ended = {
        **_CHUNKS[-1],
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    headers = {"content-type": "text/event-stream"}
    agent = _agent(loopback, "agents-stream", sse(*_CHUNKS, ended), headers=headers)

    async def ask() -> Any:
        result = Runner.run_streamed(agent, text)
        return [event.type async for event in result.stream_events()], result.final_output

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    agent = _agent(loopback, "agents-refused", _REFUSAL, status=429)
    return asyncio.run(Runner.run(agent, text))


SAMPLES = {"call": call, "async call": async_call, "async stream": async_stream, "refused": refused}
"""Each gets the loopback server and the prompt, and returns what the run gave."""
