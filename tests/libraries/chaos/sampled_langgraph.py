"""A graph of LangGraph."""

import asyncio
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from loopback import Loopback


class _State(TypedDict):
    said: str


def _graph(node: Any) -> Any:
    graph = StateGraph(_State)
    graph.add_node("answer", node)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def _answer(state: _State) -> Any:
    return {"said": state["said"][:5]}


def _explode(state: _State) -> Any:
    raise ValueError("no")


def call(loopback: Loopback, text: str) -> Any:
    return _graph(_answer).invoke({"said": text})


def stream(loopback: Loopback, text: str) -> Any:
    answer = _graph(_answer).stream({"said": text})
    return type(answer), list(answer)


def closed(loopback: Loopback, text: str) -> Any:
    answer = _graph(_answer).stream({"said": text})
    first = next(answer)
    answer.close()
    return first


def async_call(loopback: Loopback, text: str) -> Any:
    return asyncio.run(_graph(_answer).ainvoke({"said": text}))


def refused(loopback: Loopback, text: str) -> Any:
    return _graph(_explode).invoke({"said": text})


SAMPLES = {
    "call": call,
    "stream": stream,
    "closed": closed,
    "async call": async_call,
    "refused": refused,
}
