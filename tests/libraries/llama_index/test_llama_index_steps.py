"""LlamaIndex with models of its own: the tree of steps, what they record, whose child an app's span is."""

import asyncio
import gc
from typing import Any

import pytest

pytest.importorskip(
    "llama_index.core", reason="llama_index is not installed: pip install 'spanwise[test-libraries]'"
)

from llama_index.core import Document, MockEmbedding, VectorStoreIndex, set_global_tokenizer
from llama_index.core.agent.workflow import ReActAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step
from opentelemetry.context import get_current
from span_memory import SpanMemory, traced
from span_tree import all_named, named, outline

import spanwise

set_global_tokenizer(str.split)  # the usual one is downloaded where it does not lie at hand

LIBRARIES = ("llama_index",)
pytestmark = [
    pytest.mark.filterwarnings(each)
    for each in (  # workflows look at every attribute of an agent, deprecated ones too
        "ignore:The `__fields__` attribute is deprecated",
        "ignore:Accessing the 'model_",
        "ignore:The `__fields_set__`",
        "ignore:is_running called from within a step",
    )
]
QUERY = [
    "invoke_workflow RetrieverQueryEngine",
    "  retrieval VectorIndexRetriever",
    "    embeddings MockEmbedding",
    "  CompactAndRefine",
    "    text_completion MockLLM",
]
ASKED = [ChatMessage(role="system", content="Be kind."), ChatMessage(role="user", content="2+2?")]


def make_index() -> VectorStoreIndex:
    documents = [Document(text="four", doc_id="d1"), Document(text="five", doc_id="d2")]
    return VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=3))


def engine(**settings: Any) -> Any:
    return make_index().as_query_engine(llm=MockLLM(max_tokens=3), similarity_top_k=2, **settings)


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("way", ["query", "aquery", "stream"])
def test_a_query_is_one_tree_in_every_way(memory: SpanMemory, way: str) -> None:
    asked = engine(streaming=way == "stream")
    memory.exporter.clear()
    before = get_current()
    if way == "stream":
        answer = asked.query("2+2?")
        assert "".join(answer.response_gen)
    else:
        answer = asked.query("2+2?") if way == "query" else run(asked.aquery("2+2?"))
        assert str(answer) == "text text text"
    assert get_current() is before
    assert outline(memory) == QUERY
    found = named(memory, "retrieval VectorIndexRetriever")
    assert found["gen_ai.retrieval.top_k"] == 2
    assert found["gen_ai.retrieval.query.text"] == "2+2?"
    documents = found["gen_ai.retrieval.documents"]
    assert {document["content"] for document in documents} == {"four", "five"}
    assert all(isinstance(document["score"], float) for document in documents)
    call = named(memory, "text_completion MockLLM")
    assert call["gen_ai.prompt.name"] == "text_qa"
    assert call["gen_ai.prompt.variable.query_str"] == "2+2?"
    assert "four" in call["gen_ai.input.messages"][0]["parts"][0]["content"]
    assert named(memory, "embeddings MockEmbedding")["gen_ai.embeddings.dimension.count"] == 3
    assert named(memory, "embeddings MockEmbedding")["spanwise.embeddings.input"] == ["2+2?"]


def test_answers_and_queries_are_recorded_as_text(memory: SpanMemory) -> None:
    engine().query("2+2?")
    asked = named(memory, "invoke_workflow RetrieverQueryEngine")
    assert (asked["spanwise.input"], asked["spanwise.output"]) == ("2+2?", "text text text")


def test_a_chat_is_one_span_however_the_model_is_made(memory: SpanMemory) -> None:
    model = MockLLM(max_tokens=2)  # its chat is made of complete
    model.chat(ASKED)
    run(model.achat(ASKED))
    list(model.stream_chat(ASKED))

    async def stream() -> None:
        async for _ in await model.astream_chat(ASKED):
            pass

    run(stream())
    assert outline(memory) == ["chat MockLLM"] * 4
    for call in all_named(memory, "chat MockLLM"):
        assert [message["role"] for message in call["gen_ai.input.messages"]] == ["system", "user"]
        assert call["gen_ai.output.messages"][0]["role"] == "assistant"
    assert all_named(memory, "chat MockLLM")[2]["gen_ai.response.time_to_first_chunk"] > 0


def test_what_the_reader_of_a_stream_does_is_not_the_streams(memory: SpanMemory) -> None:
    before = get_current()
    with spanwise.span("outer"):
        for _ in MockLLM(max_tokens=2).stream_chat(ASKED):
            with spanwise.span("between"):
                pass
    assert get_current() is before
    lines = outline(memory)
    assert lines[:2] == ["outer", "  chat MockLLM"]
    assert set(lines[2:]) == {"  between"}


def test_abandoned_streams_end_their_spans(memory: SpanMemory) -> None:
    model = MockLLM(max_tokens=3)
    read, unread = model.stream_chat(ASKED), model.stream_chat(ASKED)
    next(read)
    del read, unread
    gc.collect()
    assert outline(memory) == ["chat MockLLM", "chat MockLLM"]
    assert all(call["spanwise.stream.incomplete"] for call in all_named(memory, "chat MockLLM"))


class Broken(MockLLM):
    """A model that fails."""

    def complete(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("away")


def test_an_error_is_everything_aboves(memory: SpanMemory) -> None:
    asked = make_index().as_query_engine(llm=Broken())
    memory.exporter.clear()
    with pytest.raises(ConnectionError, match="away"):
        asked.query("2+2?")
    assert [line for line in outline(memory) if line.endswith("!")] == [
        "invoke_workflow RetrieverQueryEngine !",
        "  CompactAndRefine !",
        "    text_completion Broken !",
    ]
    assert named(memory, "text_completion Broken")["error.type"] == "ConnectionError"


def test_tools_and_postprocessors(memory: SpanMemory) -> None:
    def add(a: int, b: int) -> int:
        """Adds."""
        with spanwise.span("sum"):
            return a + b

    tool = FunctionTool.from_defaults(add)
    tool.call(a=2, b=2)
    run(tool.acall(a=2, b=2))
    assert outline(memory)[:2] == ["execute_tool add", "  sum"]
    called = all_named(memory, "execute_tool add")
    assert len(called) == 2
    assert called[0]["gen_ai.tool.call.arguments"] == {"a": 2, "b": 2}
    assert called[0]["gen_ai.tool.call.result"] == "4"
    memory.exporter.clear()
    engine(node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.1)]).query("2+2?")
    assert "  SimilarityPostprocessor" in outline(memory)


class Half(Event):
    """What the first step hands to the second."""

    value: int


class TwoSteps(Workflow):
    """A workflow with an app's span in each step."""

    @step
    async def first(self, ev: StartEvent) -> Half:
        with spanwise.span("in first"):
            return Half(value=ev.value)

    @step
    async def second(self, ev: Half) -> StopEvent:
        with spanwise.span("in second"):
            return StopEvent(result=ev.value * 2)


def test_a_workflow_and_its_steps(memory: SpanMemory) -> None:
    async def work() -> Any:
        before = get_current()
        running = TwoSteps(timeout=5).run(value=2)
        assert get_current() is before
        with spanwise.span("meanwhile"):
            pass
        return await running

    assert run(work()) == 4
    lines = outline(memory)
    assert "meanwhile" in lines
    lines.remove("meanwhile")
    assert [line.rsplit(".")[-1] for line in lines] == [
        "invoke_workflow TwoSteps",
        "  first",
        "    in first",
        "  second",
        "    in second",
    ]


def test_an_agent_is_a_tree(memory: SpanMemory) -> None:
    async def work() -> Any:
        return await ReActAgent(
            name="thinker", description="Thinks.", tools=[], llm=MockLLM(max_tokens=3)
        ).run("2+2?")

    run(work())
    lines = outline(memory)
    assert lines[0] == "invoke_agent thinker"
    assert "  run_agent_step" in lines
    assert lines[lines.index("  run_agent_step") + 1] == "    chat MockLLM"
    assert lines[1:] == [line for line in lines if line.startswith("  ")]


def test_instrument_tags_become_conversation_and_metadata(memory: SpanMemory) -> None:
    with instrument_tags({"session_id": "s-1", "user_id": "u-1", "tenant": "acme"}):
        engine().query("2+2?")
    for span in memory.exporter.get_finished_spans():
        if span.name.startswith(("invoke", "text_completion")):
            assert span.attributes["gen_ai.conversation.id"] == "s-1"
            assert span.attributes["user.id"] == "u-1"
            assert span.attributes["spanwise.metadata.tenant"] == "acme"


def test_a_class_of_the_apps_own_is_a_step(memory: SpanMemory) -> None:
    dispatcher = get_dispatcher(__name__)

    class Ranker:
        @dispatcher.span
        def rank(self, value: int) -> int:
            with spanwise.span("inside"):
                return value

    Ranker().rank(3)
    assert [line.rpartition(".")[2] for line in outline(memory)] == ["rank", "  inside"]


def test_without_content_nothing_that_was_said_is_recorded() -> None:
    with traced(LIBRARIES, capture=False) as memory:
        engine().query("2+2?")
        assert outline(memory)[-5:] == QUERY
        found = named(memory, "retrieval VectorIndexRetriever")["gen_ai.retrieval.documents"]
        assert [set(each) for each in found] == [{"id", "score"}] * 2
        told = str([dict(span.attributes or {}) for span in memory.exporter.get_finished_spans()])
    assert "2+2?" not in told + str(memory.content)
    assert "four" not in told + str(memory.content)


def test_uninstrument_leaves_nothing_behind() -> None:
    root = get_dispatcher()
    before = len(root.span_handlers), len(root.event_handlers)
    with traced(LIBRARIES) as memory:
        assert len(root.span_handlers) == before[0] + 1
    assert (len(root.span_handlers), len(root.event_handlers)) == before
    MockLLM(max_tokens=2).chat(ASKED)
    assert not memory.exporter.get_finished_spans()
