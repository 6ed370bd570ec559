"""Chains, tools, retrievers and models of LangChain."""

import asyncio
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from loopback import Loopback


class _Retriever(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("Paris", id="d1")]


@tool
def look_up(city: str) -> str:
    """Looks a city up."""
    return "Paris"


def _chain() -> Any:
    return (
        ChatPromptTemplate.from_template("{q}") | FakeListChatModel(responses=["Paris."]) | StrOutputParser()
    )


def call(loopback: Loopback, text: str) -> Any:
    return _chain().invoke({"q": text}), _Retriever().invoke(text), look_up.invoke({"city": text})


def stream(loopback: Loopback, text: str) -> Any:
    answer = _chain().stream({"q": text})
    return type(answer), list(answer)


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        found = await _Retriever().ainvoke(text)
        return await _chain().ainvoke({"q": text}), found, await look_up.ainvoke({"city": text})

    return asyncio.run(ask())


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        answer = _chain().astream({"q": text})
        return type(answer), [piece async for piece in answer]

    return asyncio.run(ask())


def refused(loopback: Loopback, text: str) -> Any:
    def explode(value: Any) -> Any:
        raise ValueError("no")

    return (ChatPromptTemplate.from_template("{q}") | RunnableLambda(explode)).invoke({"q": text})


SAMPLES = {
    "call": call,
    "stream": stream,
    "async call": async_call,
    "async stream": async_stream,
    "refused": refused,
}
