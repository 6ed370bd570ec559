"""LangChain with models of its own: the tree of steps, what they record, whose child an app's span is."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip(
    "langchain_core", reason="langchain is not installed: pip install 'spanwise[test-libraries]'"
)

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from opentelemetry.context import get_current
from span_memory import SpanMemory, traced
from span_tree import all_named, named, outline, span_of

import spanwise

LIBRARIES = ("langchain",)
ASKED = {"kind": "kind", "question": "2+2?"}
CHAIN = [
    "invoke_workflow RunnableSequence",
    "  ChatPromptTemplate",
    "  chat FakeListChatModel",
    "  StrOutputParser",
]


def make_chain() -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "Be {kind}."), ("human", "{question}")])
    return prompt | FakeListChatModel(responses=["four"]) | StrOutputParser()


async def drain(stream: Any) -> list[Any]:
    return [item async for item in stream]


WAYS = {
    "invoke": lambda chain: chain.invoke(ASKED),
    "ainvoke": lambda chain: asyncio.run(chain.ainvoke(ASKED)),
    "stream": lambda chain: "".join(chain.stream(ASKED)),
    "astream": lambda chain: "".join(asyncio.run(drain(chain.astream(ASKED)))),
    "batch": lambda chain: chain.batch([ASKED])[0],
    "astream_events": lambda chain: asyncio.run(drain(chain.astream_events(ASKED, version="v2")))[-1]["data"][
        "output"
    ],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_a_chain_gives_the_same_tree(memory: SpanMemory, way: str) -> None:
    before = get_current()
    assert WAYS[way](make_chain()) == "four"
    assert outline(memory) == CHAIN
    assert get_current() is before


def test_a_model_call_carries_its_prompt_template(memory: SpanMemory) -> None:
    make_chain().invoke(ASKED)
    call = named(memory, "chat FakeListChatModel")
    assert call["gen_ai.prompt.name"] == "ChatPromptTemplate"
    assert call["gen_ai.prompt.variable.question"] == "2+2?"
    assert call["gen_ai.system_instructions"] == [{"type": "text", "content": "Be kind."}]
    assert call["gen_ai.input.messages"] == [{"role": "user", "parts": [{"type": "text", "content": "2+2?"}]}]
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "four"}]
    first = call["gen_ai.prompt.version"]
    (ChatPromptTemplate.from_template("Other {question}") | FakeListChatModel(responses=["x"])).invoke(ASKED)
    assert all_named(memory, "chat FakeListChatModel")[1]["gen_ai.prompt.version"] != first


def test_a_prompt_is_used_up_by_the_call_made_from_it(memory: SpanMemory) -> None:
    model = FakeListChatModel(responses=["four"])
    (ChatPromptTemplate.from_template("{question}") | model | (lambda said: said.content) | model).invoke(
        ASKED
    )
    names = [call.get("gen_ai.prompt.name") for call in all_named(memory, "chat FakeListChatModel")]
    assert names == ["ChatPromptTemplate", None]


def test_tags_metadata_and_conversation_reach_every_step(memory: SpanMemory) -> None:
    settings = {
        "tags": ["beta"],
        "metadata": {"tenant": "acme", "user_id": 7},
        "configurable": {"thread_id": "t-1"},
        "run_name": "answer",
    }
    make_chain().invoke(ASKED, settings)
    for span in memory.exporter.get_finished_spans():
        held = span.attributes
        assert held["gen_ai.conversation.id"] == "t-1", span.name
        assert held["user.id"] == "7"
        assert held["spanwise.metadata.tenant"] == "acme"
        assert held["spanwise.tags"] == ("beta",)
    assert named(memory, "invoke_workflow answer")["spanwise.output"] == "four"


def test_parallel_branches_do_not_leak_into_each_other(memory: SpanMemory) -> None:
    def branch(name: str) -> Any:
        def run(value: Any) -> Any:
            with spanwise.span(f"{name} inside"):
                return value

        return RunnableLambda(run).with_config(run_name=name)

    before = get_current()
    RunnableParallel(left=branch("left"), right=branch("right")).invoke(1)
    asyncio.run(RunnableParallel(left=branch("left"), right=branch("right")).ainvoke(1))
    branch("left").batch([1, 2, 3])
    assert get_current() is before
    lines = outline(memory)
    for place, line in enumerate(lines):
        if line.endswith("inside"):
            assert lines[place - 1].split()[-1] == line.split()[0], lines
    assert sum(line.strip() == "left inside" for line in lines) == 5


def test_a_chain_called_within_an_apps_span_in_a_step_is_its_child(memory: SpanMemory) -> None:
    inner = FakeListChatModel(responses=["x"])

    def step(value: Any) -> str:
        with spanwise.span("mine"):
            return inner.invoke("hi").content

    RunnableLambda(step).invoke(1)
    assert outline(memory) == ["invoke_workflow step", "  mine", "    chat FakeListChatModel"]


def test_what_the_reader_of_a_stream_does_is_not_the_streams(memory: SpanMemory) -> None:
    with spanwise.span("outer"):
        for _ in make_chain().stream(ASKED):
            with spanwise.span("between"):
                pass
        for _ in FakeListChatModel(responses=["ab"]).stream("x"):
            with spanwise.span("between"):
                pass
    lines = outline(memory)
    assert lines.count("  between") == 6
    assert not [line for line in lines if line.startswith("    ") and "between" in line]


def test_an_abandoned_stream_ends_its_spans(memory: SpanMemory, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        before = get_current()
        stream = make_chain().stream(ASKED)
        next(stream)
        del stream
        gc.collect()
        model = FakeListChatModel(responses=["ab"]).stream("x")
        next(model)
        model.close()
        assert get_current() is before

        async def leave() -> None:
            async for _ in make_chain().astream(ASKED):
                break

        asyncio.run(leave())
    assert outline(memory) == [*CHAIN, "chat FakeListChatModel", *CHAIN]
    assert "detach" not in caplog.text
    incomplete = [
        call.get("spanwise.stream.incomplete") for call in all_named(memory, "chat FakeListChatModel")
    ]
    assert incomplete[1] is True


def test_errors_are_the_steps_and_everything_aboves(memory: SpanMemory) -> None:
    def explode(value: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        (RunnableLambda(lambda value: value).with_config(run_name="fine") | RunnableLambda(explode)).invoke(1)
    assert outline(memory) == ["invoke_workflow RunnableSequence !", "  fine", "  explode !"]
    assert named(memory, "explode")["error.type"] == "ValueError"


class SlowRetriever(BaseRetriever):
    """Never answers when asked for ``never``; LangChain tells nobody when such a call is cancelled."""

    k: int = 3

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> Any:
        with spanwise.span("lookup"):
            return [Document("four", id="d1", metadata={"score": 0.5, "page": 2})]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
        with spanwise.span("lookup"):
            if query == "never":
                await asyncio.Event().wait()
            return [Document("four", id="d1", metadata={"score": 0.5, "page": 2})]


def test_retrievers_sync_async_and_cancelled(memory: SpanMemory) -> None:
    before = get_current()
    SlowRetriever().invoke("what?")

    async def run() -> None:
        here = get_current()
        await SlowRetriever().ainvoke("what?")
        assert get_current() is here
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(SlowRetriever().ainvoke("never"), 0.02)

    asyncio.run(run())
    assert get_current() is before
    ok = ["retrieval SlowRetriever", "  lookup"]
    assert outline(memory) == [*ok, *ok, "retrieval SlowRetriever !", "  lookup !"]
    first, second, third = all_named(memory, "retrieval SlowRetriever")
    assert first["gen_ai.retrieval.documents"] == second["gen_ai.retrieval.documents"]
    assert first["gen_ai.retrieval.documents"] == [
        {"id": "d1", "content": "four", "metadata": {"score": 0.5, "page": 2}, "score": 0.5}
    ]
    assert (first["gen_ai.retrieval.query.text"], first["gen_ai.retrieval.top_k"]) == ("what?", 3)
    assert third["error.type"].endswith("CancelledError")


def test_tools_sync_and_async(memory: SpanMemory) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        with spanwise.span("sum"):
            return a + b

    @tool
    async def broken(a: int) -> int:
        """Fails."""
        raise KeyError(a)

    call = {"name": "add", "args": {"a": 2, "b": 2}, "id": "call-1", "type": "tool_call"}
    add.invoke(call)
    with pytest.raises(KeyError):
        asyncio.run(broken.ainvoke({"a": 1}))
    assert outline(memory) == ["execute_tool add", "  sum", "execute_tool broken !"]
    added = named(memory, "execute_tool add")
    assert added["gen_ai.tool.call.id"] == "call-1"
    assert added["gen_ai.tool.call.arguments"] == {"a": 2, "b": 2}
    assert added["gen_ai.tool.call.result"] == "4"
    assert added["gen_ai.tool.description"].startswith("Adds")


def test_text_models_and_several_inputs_at_once(memory: SpanMemory) -> None:
    FakeListLLM(responses=["a", "b"]).generate(["one", "two"])
    FakeListChatModel(responses=["a", "b"]).generate([[AIMessage("one")], [AIMessage("two")]])
    assert outline(memory) == [
        "text_completion FakeListLLM",
        "text_completion FakeListLLM",
        "chat FakeListChatModel",
        "chat FakeListChatModel",
    ]


class Counting(GenericFakeChatModel):
    """Tells usage, finish reason and id as provider packages do."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any) -> Iterator[Any]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="4"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="2"))


def test_usage_finish_reason_and_tool_calls_come_from_the_message(memory: SpanMemory) -> None:
    answer = AIMessage(
        "",
        id="msg_1",
        tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
        usage_metadata={
            "input_tokens": 10,
            "output_tokens": 7,
            "total_tokens": 17,
            "input_token_details": {"cache_read": 4, "cache_creation": 1},
            "output_token_details": {"reasoning": 3},
        },
        response_metadata={"model_name": "fake-1", "stop_reason": "tool_use"},
    )
    GenericFakeChatModel(messages=iter([answer])).invoke("hi")
    call = named(memory, "chat GenericFakeChatModel")
    assert call["gen_ai.usage.input_tokens"] == 10
    assert call["gen_ai.usage.output_tokens"] == 7
    assert call["gen_ai.usage.cache_read.input_tokens"] == 4
    assert call["gen_ai.usage.cache_write.input_tokens"] == 1
    assert call["gen_ai.usage.reasoning.output_tokens"] == 3
    assert call["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert call["gen_ai.response.id"] == "msg_1"
    assert call["gen_ai.response.model"] == "fake-1"
    assert call["gen_ai.output.messages"] == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}],
            "finish_reason": "tool_call",
        }
    ]


def test_a_stream_is_timed_and_put_together(memory: SpanMemory) -> None:
    assert [chunk.content for chunk in Counting(messages=iter([])).stream("x")][:2] == ["4", "2"]
    call = named(memory, "chat Counting")
    assert call["gen_ai.request.stream"] is True
    assert call["gen_ai.response.time_to_first_chunk"] > 0
    assert call["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "42"}]


def test_without_content_nothing_that_was_said_is_recorded() -> None:
    with traced(LIBRARIES, capture=False) as memory:
        make_chain().invoke(ASKED)
        SlowRetriever().invoke("what?")
        assert outline(memory)[:4] == CHAIN
        found = named(memory, "retrieval SlowRetriever")["gen_ai.retrieval.documents"]
        assert found == [{"id": "d1", "score": 0.5}]
        told = str([(span.attributes, span.events) for span in memory.exporter.get_finished_spans()])
        told += str(memory.content)
        for text in ("2+2?", "four", "Be kind", "what?"):
            assert text not in told


def test_secrets_are_scrubbed_in_steps_variables_and_metadata() -> None:
    key = "sk-proj-" + "a1B2c3D4" * 5
    with traced(LIBRARIES, scrub=True) as memory:
        make_chain().invoke({"kind": "kind", "question": f"my key is {key}"}, {"metadata": {"note": key}})
        told = str([dict(span.attributes or {}) for span in memory.exporter.get_finished_spans()])
        assert "a1B2c3D4" not in told + str(memory.content)
        assert len(memory.exporter.get_finished_spans()) == 4


def test_a_private_block_records_no_content(memory: SpanMemory) -> None:
    with spanwise.private():
        make_chain().invoke(ASKED)
    assert outline(memory) == CHAIN
    assert "four" not in str(memory.content)


def test_uninstrument_leaves_nothing_behind() -> None:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.tracers import context

    hooks, generate = list(context._configure_hooks), BaseChatModel.__dict__["generate"]
    with traced(LIBRARIES) as memory:
        assert len(context._configure_hooks) == len(hooks) + 1
        make_chain().invoke(ASKED)
    assert context._configure_hooks == hooks
    assert BaseChatModel.__dict__["generate"] is generate
    memory.exporter.clear()
    make_chain().invoke(ASKED)
    assert not memory.exporter.get_finished_spans()


def test_run_types_that_nobody_knows_yet_pass(memory: SpanMemory) -> None:
    runnable = RunnableLambda(lambda value: value)
    assert runnable._call_with_config(lambda value: value, 5, None, run_type="oracle") == 5
    assert span_of(memory, "invoke_workflow RunnableLambda").status.is_ok
