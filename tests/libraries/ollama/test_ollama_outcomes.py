"""How calls of the real ``ollama`` client may end."""

import json
from typing import Any

import pytest
from cassettes import made_up
from loopback import Loopback
from openai_style import ASKED, TEXT
from outcomes import Outcomes, pieces
from span_memory import SpanMemory

ollama = pytest.importorskip(
    "ollama", reason="ollama is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("ollama",)
HEAD = {"model": "m-2026", "created_at": "2026-01-01T00:00:00Z"}
DONE = {
    "done_reason": "stop",
    "done": True,
    "total_duration": 3_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 20,
    "prompt_eval_duration": 250_000_000,
    "eval_count": 9,
    "eval_duration": 2_000_000_000,
}


def lines(*chunks: dict[str, Any]) -> bytes:
    return "".join(json.dumps(HEAD | chunk) + "\n" for chunk in chunks).encode()


class OllamaOutcomes(Outcomes):
    libraries = LIBRARIES
    stream_type = "application/x-ndjson"
    text = TEXT
    refusal = {"error": "No such model"}  # noqa: RUF012
    refused = "ResponseError"
    unreachable = ("ConnectionError", "ConnectError")
    broken = "RemoteProtocolError"

    def client(self, url: str, is_async: bool) -> Any:
        return (ollama.AsyncClient if is_async else ollama.Client)(host=url, verify=False)

    async def end(self, client: Any) -> None:
        close = getattr(client._client, "aclose", None)
        if close:
            await close()
        else:
            client._client.close()


class TestChat(OllamaOutcomes):
    path = "/api/chat"
    answer = {**HEAD, "message": {"role": "assistant", "content": TEXT}, **DONE}  # noqa: RUF012
    stream = lines(
        *({"message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces(TEXT)),
        {"message": {"role": "assistant", "content": ""}, **DONE},
    )
    expected = {  # noqa: RUF012
        "operation": "chat",
        "request_model": "m",
        "response_model": "m-2026",
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

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.chat("m", messages=ASKED, stream=is_stream)

    def chunk_text(self, chunk: Any) -> str:
        return chunk["message"]["content"]


class TestGenerate(OllamaOutcomes):
    path = "/api/generate"
    answer = {**HEAD, "response": TEXT, **DONE}  # noqa: RUF012
    stream = lines(*({"response": piece, "done": False} for piece in pieces(TEXT)), {"response": "", **DONE})
    expected = TestChat.expected | {"operation": "text_completion"}

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.generate("m", "Hello?", stream=is_stream)

    def chunk_text(self, chunk: Any) -> str:
        return chunk["response"]


def test_error_inside_a_stream_keeps_what_came(loopback: Loopback, memory: SpanMemory) -> None:
    body = lines(
        {"message": {"role": "assistant", "content": "It"}, "done": False}, {"error": "GPU is on fire"}
    )
    url = loopback.put(made_up("fire", "/api/chat", body, headers={"content-type": "application/x-ndjson"}))
    with pytest.raises(ollama.ResponseError, match="GPU is on fire"):
        list(ollama.Client(host=url, verify=False).chat("m", messages=ASKED, stream=True))
    (span,) = memory.take()
    assert (span["status"], span["error_type"].rpartition(".")[2]) == ("error", "ResponseError")
    assert span["output_messages"][0]["parts"] == [{"type": "text", "content": "It"}]
    assert "http.response.status_code" not in span["attributes"]
