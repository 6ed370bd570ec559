"""How calls of the real ``google-genai`` client may end, and calls that it makes by itself."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from cassettes import made_up, sse
from comparison import summary
from loopback import Loopback
from outcomes import Outcomes, pieces
from span_memory import SpanMemory

genai = pytest.importorskip(
    "google.genai", reason="google-genai is not installed: pip install 'spanwise[test-libraries]'"
)
LIBRARIES = ("google_genai",)
pytestmark = pytest.mark.filterwarnings(
    # The client inherits from aiohttp's session, and leaves it to the garbage collector.
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning",
    "ignore:unclosed:ResourceWarning",
    "ignore:Unclosed:ResourceWarning",
)
TEXT = "Hello, dear world"
USAGE = {
    "promptTokenCount": 15,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 4,
    "cachedContentTokenCount": 10,
    "totalTokenCount": 25,
}
PATH = "/v1beta/models/m:generateContent"


def answer(*parts: dict[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "usageMetadata": USAGE,
        "modelVersion": "m-001",
        "responseId": "r1",
    }


ANSWER = answer({"text": TEXT})
CHUNKS = [answer({"text": text}, reason=None) for text in pieces(TEXT)]
STREAM = sse(*CHUNKS[:-1], answer({"text": pieces(TEXT)[-1]}), done=False)
REFUSAL = {"error": {"code": 404, "message": "No such model", "status": "NOT_FOUND"}}
EXPECTED = {
    "operation": "generate_content",
    "request_model": "m",
    "response_model": "m-001",
    "finish_reasons": ["stop"],
    "input_tokens": 15,
    "output_tokens": 10,
    "cached_input_tokens": 10,
    "reasoning_output_tokens": 4,
    "status": "unset",
    "error_message": None,
    "input": [{"role": "user", "text": "Hello?"}],
    "output": [{"role": "assistant", "text": TEXT}],
    "tools": [],
    "embedded": None,
}


def client_of(url: str) -> Any:
    options = {
        "base_url": url,
        "api_version": "v1beta",
        "client_args": {"verify": False},
        "async_client_args": {"verify": False, "ssl": False},
        "retry_options": {"attempts": 1},
    }
    known = genai.types.HttpOptions.model_fields
    return genai.Client(
        api_key="key", http_options={name: value for name, value in options.items() if name in known}
    )


class TestGoogleGenai(Outcomes):
    libraries = LIBRARIES
    path = PATH
    answer = ANSWER
    stream = STREAM
    text = TEXT
    expected = EXPECTED
    refusal = REFUSAL
    refused = "ClientError"
    unreachable = ("ConnectError", "ClientConnectorError")
    broken = ("RemoteProtocolError", "ClientPayloadError", "UnknownApiResponseError")

    def put(self, loopback: Loopback, key: str, is_stream: bool, **further: Any) -> str:
        headers = {"content-type": self.stream_type if is_stream else "application/json"}
        path = PATH.replace(":generate", ":streamGenerate") if is_stream else PATH
        body = self.stream if is_stream else self.answer
        return loopback.put(made_up(f"g{key}-{is_stream}", path, body, headers=headers, **further))

    def client(self, url: str, is_async: bool) -> Any:
        client = client_of(url)
        return client.aio if is_async else client

    def call(self, client: Any, is_stream: bool) -> Any:
        models = client.models
        method = models.generate_content_stream if is_stream else models.generate_content
        return method(model="m", contents="Hello?")

    def chunk_text(self, chunk: Any) -> str:
        return chunk.text or ""

    async def end(self, client: Any) -> None:
        """The client's connections are left to the garbage collector, as its users do.

        So are the generators inside of the stream that was closed: the event loop closes them in turn.
        """
        for _ in range(9):
            await asyncio.sleep(0)

    @pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
    async def test_refusal(self, memory: SpanMemory, loopback: Loopback, is_stream: bool) -> None:
        path = PATH.replace(":generate", ":streamGenerate") if is_stream else PATH
        url = loopback.put(made_up("ggone", path, REFUSAL, status=404))
        for is_async in (False, True):
            with pytest.raises(genai.errors.ClientError, match="No such model"):
                await self.run(url, is_async, is_stream)
            span = self.only(memory)
            assert (span["status"], span["request_model"]) == ("error", "m")
            assert span["attributes"]["http.response.status_code"] == 404
            assert span["error_type"] == "google.genai.errors.ClientError"


def test_a_chat_records_what_was_said_before(memory: SpanMemory, loopback: Loopback) -> None:
    client = client_of(loopback.put(made_up("chat", PATH, ANSWER)))
    chat = client.chats.create(model="m")
    chat.send_message("Hello?")
    chat.send_message("Again?")
    first, second = memory.take()
    assert summary(first)["input"] == [{"role": "user", "text": "Hello?"}]
    assert [message["role"] for message in second["input_messages"]] == ["user", "assistant", "user"]


def test_automatic_function_calling_makes_a_span_a_call(memory: SpanMemory, loopback: Loopback) -> None:
    asked = answer({"functionCall": {"name": "weather", "args": {"city": "Rome"}}})
    url = loopback.put(made_up("afc", PATH, asked))
    told: list[str] = []

    def weather(city: str) -> str:
        """Returns the weather."""
        told.append(city)
        loopback.put(made_up("afc", PATH, ANSWER))
        return "sunny"

    client = client_of(url)
    found = client.models.generate_content(model="m", contents="Weather?", config={"tools": [weather]})
    assert (found.text, told) == (TEXT, ["Rome"])
    first, second = memory.take()
    assert summary(first)["output"] == [{"role": "assistant", "calls": [(None, "weather", {"city": "Rome"})]}]
    assert [tool["name"] for tool in first["tool_definitions"]] == ["weather"]
    assert second["input_messages"][-1]["parts"][0]["response"] == {"result": "sunny"}


def test_parameters_and_structured_output(memory: SpanMemory, loopback: Loopback) -> None:
    url = loopback.put(made_up("config", PATH, ANSWER))
    config = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "max_output_tokens": 77,
        "stop_sequences": ["."],
        "seed": 7,
        "candidate_count": 2,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "response_mime_type": "application/json",
        "response_schema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "thinking_config": {"thinking_budget": 128},
        "system_instruction": "Be brief.",
        "cached_content": "cachedContents/c1",
    }
    client = client_of(url)
    client.models.generate_content(model="models/m", contents="Hello?", config=config)
    (span,) = memory.take()
    attributes = span["attributes"]
    wanted = {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.max_tokens": 77,
        "gen_ai.request.stop_sequences": (".",),
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.presence_penalty": 0.1,
        "gen_ai.request.frequency_penalty": 0.2,
        "gen_ai.output.type": "json",
        "gcp.gen_ai.thinking.budget_tokens": 128,
        "gcp.gen_ai.cached_content": "cachedContents/c1",
        "gen_ai.response.id": "r1",
    }
    assert {name: attributes.get(name) for name in wanted} == wanted
    assert span["system_instructions"] == [{"type": "text", "content": "Be brief."}]


def test_a_withheld_answer_says_why(memory: SpanMemory, loopback: Loopback) -> None:
    withheld = answer({"text": "x"}, reason="RECITATION")
    rating = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": True}
    withheld["candidates"][0]["safetyRatings"] = [rating]
    client = client_of(loopback.put(made_up("held", PATH, withheld)))
    client.models.generate_content(model="m", contents="?")
    (span,) = memory.take()
    assert span["finish_reasons"] == ["content_filter"]
    assert span["attributes"]["gcp.gen_ai.finish_reasons"] == ("RECITATION",)
    assert span["attributes"]["gcp.gen_ai.safety.blocked"] == ("HARM_CATEGORY_HATE_SPEECH",)


def test_an_error_inside_of_a_stream(memory: SpanMemory, loopback: Loopback) -> None:
    failure = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    body = sse(CHUNKS[0], failure, done=False)
    path = PATH.replace(":generate", ":streamGenerate")
    headers = {"content-type": "text/event-stream"}
    client = client_of(loopback.put(made_up("midway", path, body, headers=headers)))
    with contextlib.suppress(genai.errors.APIError):  # older versions raise nothing
        list(client.models.generate_content_stream(model="m", contents="Hello?"))
    (span,) = memory.take()
    assert span["status"] == "error"
    assert "Overloaded" in span["status_message"]
    assert summary(span)["output"] == [{"role": "assistant", "text": TEXT[:3]}]


def test_vertex_embeddings_by_predict(memory: SpanMemory, loopback: Loopback) -> None:
    credentials = pytest.importorskip("google.oauth2.credentials").Credentials(token="token")
    path = "/v1beta1/projects/p/locations/eu/publishers/google/models/text-embedding-005:predict"
    prediction = {"embeddings": {"values": [0.1, 0.2, 0.3], "statistics": {"token_count": 4}}}
    url = loopback.put(made_up("predict", path, {"predictions": [prediction]}))
    client = genai.Client(
        vertexai=True,
        project="p",
        location="eu",
        credentials=credentials,
        http_options={"base_url": url, "client_args": {"verify": False}},
    )
    client.models.embed_content(model="text-embedding-005", contents=["Hello"])
    (span,) = memory.take()
    assert (span["operation"], span["provider"], span["input_tokens"]) == ("embeddings", "gcp.vertex_ai", 4)
    assert span["attributes"]["gen_ai.embeddings.dimension.count"] == 3
    assert summary(span)["embedded"] == ["Hello"]
    sent = json.loads(loopback.sent["predict"][1])
    assert sent["instances"][0]["content"] == "Hello"


async def test_many_at_once_stay_apart(memory: SpanMemory, loopback: Loopback) -> None:
    client = client_of(loopback.put(made_up("many", PATH, ANSWER)))
    models = client.aio.models
    asked = [f"Number {number}" for number in range(8)]
    await asyncio.gather(*(models.generate_content(model="m", contents=each) for each in asked))
    said = [span["input_messages"][0]["parts"][0]["content"] for span in memory.take()]
    assert sorted(said) == asked
