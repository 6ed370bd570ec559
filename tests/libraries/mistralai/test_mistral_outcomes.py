"""How calls of the real ``mistralai`` client may end."""

from typing import Any

import openai_style
import pytest
from outcomes import Outcomes

client = pytest.importorskip(
    "mistralai.client", reason="mistralai is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("mistralai",)


class TestMistral(Outcomes):
    libraries = LIBRARIES
    is_followed_by_bytes = True
    path = "/v1/chat/completions"
    answer = openai_style.ANSWER
    stream = openai_style.STREAM
    text = openai_style.TEXT
    expected = openai_style.EXPECTED
    refusal = {"object": "error", "message": "No such model", "type": "invalid_model"}  # noqa: RUF012
    refused = "SDKError"
    unreachable = "ConnectError"
    broken = "RemoteProtocolError"

    def client(self, url: str, is_async: bool) -> Any:
        from mistralai.client import httpclient

        http = httpclient.httpx
        kind = http.AsyncClient if is_async else http.Client
        name = "async_client" if is_async else "client"
        return client.Mistral(api_key="k", server_url=url, **{name: kind(verify=False)})

    def call(self, client: Any, is_stream: bool) -> Any:
        is_async = client.sdk_configuration.async_client_supplied
        name = ("stream" if is_stream else "complete") + ("_async" if is_async else "")
        return getattr(client.chat, name)(model="m", messages=openai_style.ASKED)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.data.choices[0].delta.content or ""

    def close(self, stream: Any) -> Any:
        if hasattr(stream, "close"):
            return stream.close()
        return stream.response.aclose() if hasattr(stream, "__anext__") else stream.response.close()

    async def end(self, client: Any) -> None:
        configuration = client.sdk_configuration
        if configuration.async_client_supplied:
            await configuration.async_client.aclose()
        else:
            configuration.client.close()
