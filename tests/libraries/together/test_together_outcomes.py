"""How calls of the real ``together`` client may end."""

from typing import Any

import openai_style
import pytest
from outcomes import Outcomes

together = pytest.importorskip(
    "together", reason="together is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("together",)
BASE = "" if int(together.__version__.partition(".")[0]) >= 3 else "/v1"
"""What an address has to end with: until 2.x the version of the API stood there."""


class TestTogether(Outcomes):
    libraries = LIBRARIES
    path = "/v1/chat/completions"
    answer = openai_style.ANSWER
    stream = openai_style.STREAM
    text = openai_style.TEXT
    expected = openai_style.EXPECTED
    refused = "NotFoundError"
    unreachable = "APIConnectionError"
    broken = "RemoteProtocolError"

    def client(self, url: str, is_async: bool) -> Any:
        http = together.DefaultAsyncHttpxClient if is_async else together.DefaultHttpxClient
        kind = together.AsyncTogether if is_async else together.Together
        return kind(base_url=url + BASE, api_key="k", max_retries=0, http_client=http(verify=False))

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.chat.completions.create(model="m", messages=openai_style.ASKED, stream=is_stream)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or ""
