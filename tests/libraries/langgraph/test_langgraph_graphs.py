"""LangGraph: graphs, nodes and agents by name, parallel nodes, interrupts, streams, subgraphs."""

import asyncio
import warnings
from collections.abc import Iterator
from operator import add as joined
from typing import Annotated, Any, TypedDict

import pytest

pytest.importorskip("langgraph", reason="langgraph is not installed: pip install 'spanwise[test-libraries]'")

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from model_server import TEXT, ModelServer
from opentelemetry.context import get_current
from span_memory import SpanMemory
from span_tree import all_named, named, outline

import spanwise

LIBRARIES = ("langchain", "langgraph", "openai")
THREAD = {"configurable": {"thread_id": "thread-9"}}


class State(TypedDict):
    """What the graphs of these tests hand on."""

    said: Annotated[list[str], joined]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer().running() as running:
        yield running


def compiled(graph: Any, name: str, **settings: Any) -> Any:
    """Returns the graph under a name; older versions take none when they compile."""
    app = graph.compile(**settings)
    app.name = name
    return app


def node(name: str) -> Any:
    def run(state: State) -> Any:
        with spanwise.span(f"in {name}"):
            return {"said": [name]}

    return run


def fan_out() -> Any:
    graph = StateGraph(State)
    for name in ("plan", "left", "right"):
        graph.add_node(name, node(name))
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "left")
    graph.add_edge("plan", "right")
    graph.add_edge("left", END)
    graph.add_edge("right", END)
    return compiled(graph, "fan")


async def drain(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_a_graph_and_its_nodes(memory: SpanMemory, way: str) -> None:
    graph, before = fan_out(), get_current()
    if way == "invoke":
        graph.invoke({"said": []})
    elif way == "ainvoke":
        asyncio.run(graph.ainvoke({"said": []}))
    elif way == "stream":
        list(graph.stream({"said": []}))
    else:
        asyncio.run(drain(graph.astream({"said": []})))
    assert get_current() is before
    lines = outline(memory)
    assert lines[:3] == ["invoke_workflow fan", "  plan", "    in plan"]
    assert sorted(zip(lines[3::2], lines[4::2], strict=True)) == [
        ("  left", "    in left"),
        ("  right", "    in right"),
    ]
    left = named(memory, "left")
    assert left["spanwise.step.kind"] == "node"
    assert left["spanwise.metadata.langgraph_node"] == "left"
    assert left["spanwise.output"] == {"said": ["left"]}
    assert named(memory, "invoke_workflow fan")["gen_ai.workflow.name"] == "fan"


def test_an_agent_with_its_model_and_tool(memory: SpanMemory, server: ModelServer) -> None:
    from langgraph.prebuilt import create_react_agent

    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        with spanwise.span("sum"):
            return a + b

    llm = ChatOpenAI(model="gpt-4o", base_url=server.url, api_key="k", max_retries=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions have moved the function to another package
        agent = create_react_agent(llm, [add], checkpointer=MemorySaver())
    agent.name = "calculator"
    state = agent.invoke({"messages": [HumanMessage("2+2?")]}, THREAD)
    assert state["messages"][-1].content == TEXT
    lines = outline(memory)
    assert lines[0] == "invoke_agent calculator"
    top = [line for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert top == ["  agent", "  tools", "  agent"]
    assert lines[lines.index("  tools") + 1 : lines.index("  tools") + 3] == [
        "    execute_tool add",
        "      sum",
    ]
    calls = all_named(memory, "chat gpt-4o")
    assert len(calls) == 2
    assert all(call["spanwise.metadata.langgraph_node"] == "agent" for call in calls)
    assert named(memory, "execute_tool add")["gen_ai.tool.call.id"] == "call_1"
    assert named(memory, "invoke_agent calculator")["gen_ai.agent.name"] == "calculator"
    for span in memory.exporter.get_finished_spans():
        assert span.attributes["gen_ai.conversation.id"] == "thread-9", span.name


def test_an_interrupt_is_no_error(memory: SpanMemory) -> None:
    def ask(state: State) -> Any:
        return {"said": [interrupt({"question": "go on?"})]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = compiled(graph, "asker", checkpointer=MemorySaver())
    app.invoke({"said": []}, THREAD)
    assert outline(memory) == ["invoke_workflow asker", "  ask"]
    assert named(memory, "ask")["spanwise.step.interrupted"] is True
    memory.exporter.clear()
    app.invoke(Command(resume="yes"), THREAD)
    assert outline(memory) == ["invoke_workflow asker", "  ask"]
    assert named(memory, "ask")["spanwise.output"] == {"said": ["yes"]}


def test_a_failing_node_fails_its_graph(memory: SpanMemory) -> None:
    def explode(state: State) -> Any:
        raise ValueError("no")

    graph = StateGraph(State)
    graph.add_node("explode", explode)
    graph.add_edge(START, "explode")
    app = compiled(graph, "fragile")
    with pytest.raises(ValueError, match="no"):
        app.invoke({"said": []})
    with pytest.raises(ValueError, match="no"):
        asyncio.run(app.ainvoke({"said": []}))
    assert outline(memory) == ["invoke_workflow fragile !", "  explode !"] * 2


def test_a_graph_whose_stream_is_dropped_ends(memory: SpanMemory) -> None:
    with spanwise.span("outer"):
        stream = fan_out().stream({"said": []})
        next(stream)
        with spanwise.span("between"):
            pass
        stream.close()

    async def leave() -> None:
        stream = fan_out().astream({"said": []})
        async for _ in stream:
            break
        await stream.aclose()

    asyncio.run(leave())
    lines = outline(memory)
    assert lines[:2] == ["outer", "  invoke_workflow fan"]
    assert "  between" in lines
    assert "invoke_workflow fan" in lines
    assert not [line for line in lines if line.endswith("!")]


def test_a_graph_inside_a_node_is_its_child(memory: SpanMemory) -> None:
    inner = fan_out()

    def call(state: State) -> Any:
        return {"said": inner.invoke({"said": []})["said"]}

    graph = StateGraph(State)
    graph.add_node("call", call)
    graph.add_edge(START, "call")
    compiled(graph, "outer").invoke({"said": []})
    lines = outline(memory)
    assert lines[:4] == ["invoke_workflow outer", "  call", "    invoke_workflow fan", "      plan"]


def test_asynchronous_nodes_run_side_by_side(memory: SpanMemory) -> None:
    met = 0

    def waiting(name: str) -> Any:
        async def run(state: State) -> Any:
            nonlocal met
            with spanwise.span(f"in {name}"):
                met += 1
                while met < 2:
                    await asyncio.sleep(0)
                return {"said": [name]}

        return run

    graph = StateGraph(State)
    for name in ("left", "right"):
        graph.add_node(name, waiting(name))
        graph.add_edge(START, name)
    asyncio.run(compiled(graph, "pair").ainvoke({"said": []}))
    lines = outline(memory)
    assert sorted(zip(lines[1::2], lines[2::2], strict=True)) == [
        ("  left", "    in left"),
        ("  right", "    in right"),
    ]
