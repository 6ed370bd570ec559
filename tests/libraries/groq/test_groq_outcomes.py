"""How calls of the real ``groq`` client may end."""

from typing import Any

import openai_style
import pytest
from outcomes import Outcomes

groq = pytest.importorskip("groq", reason="groq is not installed: pip install 'spanwise[test-libraries]'")
LIBRARIES = ("groq",)


class TestGroq(Outcomes):
    libraries = LIBRARIES
    path = "/openai/v1/chat/completions"
    answer = openai_style.ANSWER
    stream = openai_style.STREAM
    text = openai_style.TEXT
    expected = openai_style.EXPECTED
    refused = "NotFoundError"
    unreachable = "APIConnectionError"
    broken = "RemoteProtocolError"

    def client(self, url: str, is_async: bool) -> Any:
        http = groq.DefaultAsyncHttpxClient if is_async else groq.DefaultHttpxClient
        kind = groq.AsyncGroq if is_async else groq.Groq
        return kind(base_url=url, api_key="k", max_retries=0, http_client=http(verify=False))

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.chat.completions.create(model="m", messages=openai_style.ASKED, stream=is_stream)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or ""
