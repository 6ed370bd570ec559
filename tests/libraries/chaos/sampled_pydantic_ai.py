"""Runs of PydanticAI's agents."""

import asyncio
from typing import Any

from loopback import Loopback
from opentelemetry import trace
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel


def _agent() -> "Agent[None, str]":
    agent = Agent(TestModel(), name="helper")

    @agent.tool_plain
    def weather(city: str) -> str:
        trace.get_current_span().set_attribute("app.city", city)
        return f"sunny in {city}"

    return agent


def call(loopback: Loopback, text: str) -> Any:
    return _agent().run_sync(text).output


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        async with _agent().run_stream(text) as running:
            return await running.get_output()

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    def refuse(*_: Any) -> Any:
        raise LookupError("no such model")

    return Agent(FunctionModel(refuse)).run_sync(text).output


SAMPLES = {"call": call, "async stream": async_stream, "refused": refused}
"""Each gets the loopback server and the prompt, and returns what the agent gave."""
