"""LangChain with a provider's real client underneath: one span for a model call, and it is the fuller one."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip(
    "langchain_openai", reason="langchain is not installed: pip install 'spanwise[test-libraries]'"
)

from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from model_server import TEXT, ModelServer
from opentelemetry.context import get_current
from span_memory import SpanMemory
from span_tree import all_named, named, outline, span_of

import spanwise

LIBRARIES = ("langchain", "openai")
CHAIN = [
    "invoke_workflow RunnableSequence",
    "  ChatPromptTemplate",
    "  chat gpt-4o",
    "  StrOutputParser",
]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop for the module: langchain-openai shares its connections between clients, but not loops."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


def model(server: ModelServer, name: str = "gpt-4o", **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=server.url, api_key="k", max_retries=0, stream_usage=True, **more)


async def drain(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_one_span_a_call_in_every_way(
    memory: SpanMemory, server: ModelServer, loop: asyncio.AbstractEventLoop, way: str
) -> None:
    chain = ChatPromptTemplate.from_template("{q}") | model(server) | StrOutputParser()
    asked, settings = {"q": "2+2"}, {"tags": ["beta"], "metadata": {"tenant": "acme"}}
    before = get_current()
    if way == "invoke":
        said = chain.invoke(asked, settings)
    elif way == "ainvoke":
        said = loop.run_until_complete(chain.ainvoke(asked, settings))
    elif way == "stream":
        said = "".join(chain.stream(asked, settings))
    else:
        said = "".join(loop.run_until_complete(drain(chain.astream(asked, settings))))
    assert said == TEXT
    assert get_current() is before
    assert outline(memory) == CHAIN
    call = named(memory, "chat gpt-4o")
    assert call["gen_ai.provider.name"] == "openai"  # what only the client tells
    assert call["server.address"] == "127.0.0.1"
    assert call["gen_ai.response.id"] == "chatcmpl-7"
    assert call["gen_ai.usage.input_tokens"] == 20
    assert call["gen_ai.usage.cache_read.input_tokens"] == 8
    assert call["gen_ai.response.finish_reasons"] == ("stop",)
    assert call["spanwise.step.name"] == "ChatOpenAI"  # what only the framework tells
    assert call["gen_ai.prompt.name"] == "ChatPromptTemplate"
    assert call["gen_ai.prompt.variable.q"] == "2+2"
    assert call["spanwise.tags"] == ("beta",)
    assert call["spanwise.metadata.tenant"] == "acme"
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": TEXT}]


def test_a_failed_call_is_told_once(memory: SpanMemory, server: ModelServer) -> None:
    with pytest.raises(Exception, match="no such model"):
        (ChatPromptTemplate.from_template("{q}") | model(server, "missing")).invoke({"q": "x"})
    assert outline(memory) == [
        "invoke_workflow RunnableSequence !",
        "  ChatPromptTemplate",
        "  chat missing !",
    ]
    failed = span_of(memory, "chat missing")
    assert failed.attributes["http.response.status_code"] == 404
    assert [event.name for event in failed.events] == ["exception"]


def test_a_stream_that_is_closed_early_keeps_what_came(memory: SpanMemory, server: ModelServer) -> None:
    with spanwise.span("outer"):
        stream = model(server).stream("2+2")
        next(stream)
        with spanwise.span("between"):
            pass
        stream.close()
    assert outline(memory) == ["outer", "  chat gpt-4o", "  between"]
    call = named(memory, "chat gpt-4o")
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Two "}]
    assert call["spanwise.stream.incomplete"] is True


def test_a_cancelled_call_ends_its_span(
    memory: SpanMemory, server: ModelServer, loop: asyncio.AbstractEventLoop
) -> None:
    async def run() -> None:
        stream = model(server).astream("hold")
        await anext(stream)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop.run_until_complete(run())
    server.may_go_on.set()
    assert outline(memory) == ["chat gpt-4o !"]
    assert named(memory, "chat gpt-4o")["error.type"].endswith("CancelledError")


@pytest.mark.filterwarnings("ignore:Unexpected type for token usage")  # langchain-openai adds counts up
def test_several_conversations_in_one_call_have_a_span_each(memory: SpanMemory, server: ModelServer) -> None:
    model(server).generate([[HumanMessage("one")], [HumanMessage("two")]])
    assert outline(memory) == ["chat gpt-4o", "chat gpt-4o"]
    told = [
        call["gen_ai.input.messages"][0]["parts"][0]["content"] for call in all_named(memory, "chat gpt-4o")
    ]
    assert told == ["one", "two"]
    assert all("gen_ai.response.id" in call for call in all_named(memory, "chat gpt-4o"))


def test_several_prompts_of_a_text_model_cost_once(memory: SpanMemory, server: ModelServer) -> None:
    OpenAI(model="inst", base_url=server.url, api_key="k").batch(["one", "two"])
    assert outline(memory) == ["text_completion inst", "text_completion inst"]
    used = [call.get("gen_ai.usage.input_tokens") for call in all_named(memory, "text_completion inst")]
    assert sorted(used, key=str) == [20, None]


def test_an_embedding_belongs_to_the_retriever(
    memory: SpanMemory, server: ModelServer, loop: asyncio.AbstractEventLoop
) -> None:
    embedding = OpenAIEmbeddings(
        model="emb", base_url=server.url, api_key="k", check_embedding_ctx_length=False
    )
    store = InMemoryVectorStore(embedding)
    store.add_texts(["four"])
    store.as_retriever(search_kwargs={"k": 1}).invoke("2+2")
    loop.run_until_complete(store.as_retriever().ainvoke("2+2"))
    search = ["retrieval VectorStoreRetriever", "  embeddings emb"]
    assert outline(memory) == ["embeddings emb", *search, *search]
    assert all_named(memory, "retrieval VectorStoreRetriever")[0]["gen_ai.retrieval.top_k"] == 1


def test_a_tool_call_is_paired_by_its_id(memory: SpanMemory, server: ModelServer) -> None:
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    said = model(server).bind_tools([add]).invoke("2+2")
    assert said.tool_calls[0]["id"] == "call_1"
    call = named(memory, "chat gpt-4o")
    (part,) = call["gen_ai.output.messages"][0]["parts"]
    assert (part["id"], part["name"], part["arguments"]) == ("call_1", "add", {"a": 2, "b": 2})
    assert call["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert call["gen_ai.tool.definitions"][0]["name"] == "add"


def test_without_the_clients_integration_the_framework_tells(server: ModelServer) -> None:
    from span_memory import traced

    with traced(("langchain",)) as memory:
        model(server, temperature=0.5).invoke("2+2")
        call = named(memory, "chat gpt-4o")
    assert call["gen_ai.provider.name"] == "openai"
    assert call["gen_ai.request.temperature"] == 0.5
    assert call["gen_ai.usage.input_tokens"] == 20
    assert call["gen_ai.usage.cache_read.input_tokens"] == 8
    assert call["gen_ai.response.model"] == "gpt-4o-0806"
    assert call["gen_ai.response.finish_reasons"] == ("stop",)
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": TEXT}]


def test_the_clients_own_stream_of_events(memory: SpanMemory, server: ModelServer) -> None:
    stream_events = getattr(model(server), "stream_events", None)
    if stream_events is None:
        return  # versions before 1.4 have none
    with spanwise.span("outer"):
        for _ in stream_events("2+2", version="v3").text:
            with spanwise.span("between"):
                pass
    lines = outline(memory)
    assert lines[:2] == ["outer", "  chat gpt-4o"]
    assert set(lines[2:]) == {"  between"}
