"""LlamaIndex with OpenAI's real client underneath: one span for a model call, and it is the fuller one."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip(
    "llama_index.llms.openai",
    reason="llama-index-llms-openai is not installed: pip install 'spanwise[test-models]'",
)

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI
from model_server import TEXT, ModelServer
from span_memory import SpanMemory
from span_tree import all_named, named, outline, span_of

import spanwise

LIBRARIES = ("llama_index", "openai")
pytestmark = [
    pytest.mark.filterwarnings(each)
    for each in (  # workflows look at every attribute of an agent, deprecated ones too
        "ignore:The `__fields__` attribute is deprecated",
        "ignore:Accessing the 'model_",
        "ignore:The `__fields_set__`",
        "ignore:is_running called from within a step",
    )
]
ASKED = [ChatMessage(role="user", content="2+2?")]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        yield running


def model(server: ModelServer, name: str = "gpt-4o") -> OpenAI:
    return OpenAI(model=name, api_base=server.url, api_key="k", max_retries=0)


async def drain(stream: Any) -> list[Any]:
    return [item async for item in await stream]


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat"])
def test_one_span_a_call_in_every_way(memory: SpanMemory, server: ModelServer, way: str) -> None:
    llm = model(server)
    if way == "chat":
        said = llm.chat(ASKED).message.content
    elif way == "achat":
        said = asyncio.run(llm.achat(ASKED)).message.content
    elif way == "stream_chat":
        said = list(llm.stream_chat(ASKED))[-1].message.content
    else:
        said = asyncio.run(drain(llm.astream_chat(ASKED)))[-1].message.content
    assert said == TEXT
    assert outline(memory) == ["chat gpt-4o"]
    call = named(memory, "chat gpt-4o")
    assert call["server.address"] == "127.0.0.1"
    assert call["gen_ai.response.id"] == "chatcmpl-7"
    assert call["spanwise.step.name"] == "OpenAI"
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": TEXT}]


def test_a_stream_read_elsewhere_is_still_one_span(memory: SpanMemory, server: ModelServer) -> None:
    with spanwise.span("made here"):
        stream = model(server).stream_chat(ASKED)
    with spanwise.span("read there"):
        model(server).complete("another one meanwhile")
        list(stream)
    assert outline(memory) == ["made here", "  chat gpt-4o", "read there", "  chat gpt-4o"]


def test_a_failed_call_is_told_once(memory: SpanMemory, server: ModelServer) -> None:
    llm = model(server)
    llm.model = "missing"
    with pytest.raises(Exception, match=r"missing|no such model"):
        list(llm.stream_chat(ASKED))
    failed = span_of(memory, "chat missing")
    assert failed.status.status_code.name == "ERROR"
    assert len(failed.events) <= 1


def test_an_agent_pairs_its_tool_calls(memory: SpanMemory, server: ModelServer) -> None:
    async def add(a: int, b: int) -> int:
        """Adds two numbers."""
        with spanwise.span("sum"):
            return a + b

    async def work() -> Any:
        return await FunctionAgent(
            tools=[add], llm=model(server), name="calculator", description="Adds."
        ).run("2+2?")

    assert str(asyncio.run(work())) == TEXT
    lines = outline(memory)
    assert lines[0] == "invoke_agent calculator"
    assert lines.count("    chat gpt-4o") == 2
    assert lines[lines.index("  call_tool") + 1 : lines.index("  call_tool") + 3] == [
        "    execute_tool add",
        "      sum",
    ]
    assert named(memory, "execute_tool add")["gen_ai.tool.call.id"] == "call_1"
    asked = all_named(memory, "chat gpt-4o")[0]["gen_ai.output.messages"][0]["parts"][-1]
    assert (asked["id"], asked["name"]) == ("call_1", "add")
