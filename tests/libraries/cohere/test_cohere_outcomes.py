"""How calls of the real ``cohere`` client may end, in both versions of its API."""

import json
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from loopback import Loopback
from openai_style import ASKED, TEXT
from outcomes import BOTH, Outcomes, pieces
from span_memory import SpanMemory

cohere = pytest.importorskip(
    "cohere", reason="cohere is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("cohere",)
USAGE = {"billed_units": {"input_tokens": 20, "output_tokens": 9}, "tokens": {"input_tokens": 80}}
EVENTS = [
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
    *(
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}
        for piece in pieces(TEXT)
    ),
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
]


class CohereOutcomes(Outcomes):
    libraries = LIBRARIES
    is_followed_by_bytes = True
    text = TEXT
    refusal = {"id": "x", "message": "No such model"}  # noqa: RUF012
    refused = "NotFoundError"
    unreachable = "ConnectError"
    broken = "RemoteProtocolError"
    expected = {  # noqa: RUF012
        "operation": "chat",
        "request_model": "m",
        "response_model": None,
        "finish_reasons": ["stop"],
        "input_tokens": 20,
        "output_tokens": 9,
        "cached_input_tokens": None,
        "reasoning_output_tokens": None,
        "status": "unset",
        "error_message": None,
        "input": [{"role": "user", "text": "Hello?"}],
        "output": [{"role": "assistant", "text": TEXT}],
        "tools": [],
        "embedded": None,
    }
    options = {"max_retries": 0}  # noqa: RUF012

    def client(self, url: str, is_async: bool) -> Any:
        http = httpx.AsyncClient(verify=False) if is_async else httpx.Client(verify=False)
        kind = self.kinds()[is_async]
        return kind(api_key="k", base_url=url, httpx_client=http)

    def kinds(self) -> tuple[Any, Any]:
        raise NotImplementedError

    async def end(self, client: Any) -> None:
        http = client._client_wrapper.httpx_client.httpx_client
        if isinstance(http, httpx.AsyncClient):
            await http.aclose()
        else:
            http.close()

    @BOTH
    async def test_closed_early(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        if tuple(int(number) for number in version("cohere").split(".")[:2]) < (5, 18):
            pytest.skip("this cohere's streams refuse to be closed")
        await super().test_closed_early(memory, loopback, is_async)


class TestChatV2(CohereOutcomes):
    path = "/v2/chat"
    answer = {  # noqa: RUF012
        "id": "c1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
        "usage": USAGE,
    }
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()

    def kinds(self) -> tuple[Any, Any]:
        return cohere.ClientV2, cohere.AsyncClientV2

    def call(self, client: Any, is_stream: bool) -> Any:
        call = client.chat_stream if is_stream else client.chat
        return call(model="m", messages=ASKED, request_options=self.options)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.delta.message.content.text if chunk.type == "content-delta" else ""

    def chunks_until_text(self) -> int:
        return 2


class TestChatV1(CohereOutcomes):
    path = "/v1/chat"
    answer = {  # noqa: RUF012
        "generation_id": "c1",
        "text": TEXT,
        "finish_reason": "COMPLETE",
        "meta": USAGE | {"api_version": {"version": "1"}},
    }
    stream_type = "application/stream+json"
    stream = "".join(
        json.dumps(event) + "\n"
        for event in [
            {"is_finished": False, "event_type": "stream-start", "generation_id": "c1"},
            *(
                {"is_finished": False, "event_type": "text-generation", "text": piece}
                for piece in pieces(TEXT)
            ),
            {
                "is_finished": True,
                "event_type": "stream-end",
                "finish_reason": "COMPLETE",
                "response": answer,
            },
        ]
    ).encode()

    def kinds(self) -> tuple[Any, Any]:
        return cohere.Client, cohere.AsyncClient

    def call(self, client: Any, is_stream: bool) -> Any:
        call = client.chat_stream if is_stream else client.chat
        return call(model="m", message="Hello?", request_options=self.options)

    def chunk_text(self, chunk: Any) -> str:
        return chunk.text if chunk.event_type == "text-generation" else ""

    def chunks_until_text(self) -> int:
        return 2
