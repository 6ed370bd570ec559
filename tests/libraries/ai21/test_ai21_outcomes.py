"""How calls of the real ``ai21`` client may end."""

from typing import Any

import httpx
import openai_style
import pytest
from cassettes import made_up
from comparison import summary
from loopback import Loopback
from outcomes import Outcomes
from span_memory import SpanMemory

ai21 = pytest.importorskip("ai21", reason="ai21 is not installed: pip install 'spanwise[test-models]'")
LIBRARIES = ("ai21",)
# The client hands its JSON to httpx in a way that httpx deprecates, and calls a method it deprecates itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'from_dict' method is deprecated:DeprecationWarning"),
]


class TestAI21(Outcomes):
    libraries = LIBRARIES
    is_followed_by_bytes = True
    path = "/chat/completions"
    answer = openai_style.ANSWER
    stream = openai_style.STREAM
    text = openai_style.TEXT
    expected = openai_style.EXPECTED
    words = "No such model|could not extract streaming error details"  # the client reads a stream wrongly
    refused = "AI21APIError"
    unreachable = "ConnectError"
    broken = "RemoteProtocolError"

    def client(self, url: str, is_async: bool) -> Any:
        http = (httpx.AsyncClient if is_async else httpx.Client)(verify=False)
        kind = ai21.AsyncAI21Client if is_async else ai21.AI21Client
        client = kind(api_key="k", api_host=url, http_client=http, num_retries=1)
        client.http = http
        return client

    def call(self, client: Any, is_stream: bool) -> Any:
        messages = [ai21.models.chat.ChatMessage(role="user", content="Hello?")]
        return client.chat.completions.create(model="m", messages=messages, stream=is_stream)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or ""

    async def end(self, client: Any) -> None:
        if isinstance(client.http, httpx.AsyncClient):
            await client.http.aclose()
        else:
            client.http.close()


def test_documents_and_parameters(loopback: Loopback, memory: SpanMemory) -> None:
    url = loopback.put(made_up("docs", "/chat/completions", openai_style.ANSWER))
    client = ai21.AI21Client(api_key="k", api_host=url, http_client=httpx.Client(verify=False))
    messages = [ai21.models.chat.ChatMessage(role="user", content="Capital?")]
    documents = [{"content": "Bern is the capital.", "metadata": {}}]
    client.chat.completions.create(model="jamba", messages=messages, documents=documents, max_tokens=9, n=2)
    (span,) = memory.take()
    assert (span["name"], span["provider"]) == ("chat jamba", "ai21")
    assert span["attributes"]["gen_ai.request.max_tokens"] == 9
    assert span["attributes"]["gen_ai.request.choice.count"] == 2
    assert span["attributes"]["gen_ai.retrieval.documents"] == [{"content": "Bern is the capital."}]
    assert summary(span)["output"] == [{"role": "assistant", "text": openai_style.TEXT}]
