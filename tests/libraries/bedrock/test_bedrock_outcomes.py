"""How calls of boto3 and aioboto3 may end: plain and streamed, by ``converse`` and by ``invoke_model``."""

import asyncio
import gc
from typing import Any

import pytest
from cassettes import made_up
from comparison import summary
from loopback import Loopback
from outcomes import BOTH, Outcomes, pieces
from span_memory import SpanMemory

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'spanwise[test-libraries]'")
aioboto3 = pytest.importorskip("aioboto3", reason="aioboto3 is not installed")
truth = pytest.importorskip("bedrock_truth", reason="botocore is not installed")

LIBRARIES = ("bedrock",)
SESSION = aioboto3.Session()
TEXT = "Hello, dear world"
USAGE = {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}
START = truth.frame("messageStart", {"role": "assistant"})
STOP = truth.frame("messageStop", {"stopReason": "end_turn"})
END = truth.frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}})
EXPECTED = {
    "operation": "chat",
    "request_model": "m",
    "response_model": None,
    "finish_reasons": ["stop"],
    "input_tokens": 5,
    "output_tokens": 6,
    "cached_input_tokens": None,
    "reasoning_output_tokens": None,
    "status": "unset",
    "error_message": None,
    "input": [{"role": "user", "text": "Hello?"}],
    "output": [{"role": "assistant", "text": TEXT}],
    "tools": [],
    "embedded": None,
}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 7},
}
REFUSAL = {"message": "No such model"}


def piece(text: str) -> bytes:
    return truth.frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


class Bound:
    """An aioboto3 client is entered before it is used; calls are made once it is."""

    def __init__(self, **settings: Any) -> None:
        self.context = SESSION.client("bedrock-runtime", **settings)

    async def converse(self, *, is_stream: bool, **params: Any) -> Any:
        client = await self.context.__aenter__()
        if is_stream:
            return (await client.converse_stream(**params))["stream"]
        return await client.converse(**params)

    async def close(self) -> None:
        await self.context.__aexit__(None, None, None)


class TestConverse(Outcomes):
    libraries = LIBRARIES
    path = "/model/m/converse"
    answer = ANSWER
    stream = START + b"".join(piece(text) for text in pieces(TEXT)) + STOP + END
    stream_type = "application/vnd.amazon.eventstream"
    text = TEXT
    expected = EXPECTED
    refusal = REFUSAL
    refused = "ClientError"
    unreachable = "EndpointConnectionError"
    broken = (
        "ResponseStreamingError",
        "ProtocolError",
        "ClientPayloadError",
        "ClientError",
        "HTTPClientError",
    )

    def put(self, loopback: Loopback, key: str, is_stream: bool, **further: Any) -> str:
        headers = {"content-type": self.stream_type if is_stream else "application/json"}
        path = self.path + ("-stream" if is_stream else "")
        body = self.stream if is_stream else self.answer
        return loopback.put(made_up(f"c{key}-{is_stream}", path, body, headers=headers, **further))

    def client(self, url: str, is_async: bool) -> Any:
        config = truth.Config(retries={"total_max_attempts": 1}, connect_timeout=5)
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
        settings = {"endpoint_url": url, "config": config, **keys}
        return Bound(**settings) if is_async else boto3.client("bedrock-runtime", **settings)

    def call(self, client: Any, is_stream: bool) -> Any:
        params = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Hello?"}]}]}
        if isinstance(client, Bound):
            return client.converse(is_stream=is_stream, **params)
        return client.converse_stream(**params)["stream"] if is_stream else client.converse(**params)

    def close(self, stream: Any) -> Any:
        """Closing needs no waiting, of an asynchronous stream either."""
        stream.close()
        return asyncio.sleep(0) if hasattr(type(stream), "__anext__") else None

    def chunk_text(self, chunk: Any) -> str:
        return chunk.get("contentBlockDelta", {}).get("delta", {}).get("text", "")

    def chunks_until_text(self) -> int:
        return 2

    def cut_at(self) -> int:
        return len(START + piece(TEXT[:3]) + piece(TEXT[3:6])) + 9

    @pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
    async def test_refusal(self, memory: SpanMemory, loopback: Loopback, is_stream: bool) -> None:
        path = self.path + ("-stream" if is_stream else "")
        headers = {"x-amzn-errortype": "ResourceNotFoundException", "x-amzn-requestid": "r-1"}
        for is_async in (False, True):
            url = loopback.put(made_up("gone", path, self.refusal, status=404, headers=headers))
            with pytest.raises(Exception, match="No such model") as raised:
                await self.run(url, is_async, is_stream)
            assert type(raised.value).__name__ == "ResourceNotFoundException"
            span = self.only(memory)
            attributes = span["attributes"]
            assert (attributes["http.response.status_code"], attributes["aws.request_id"]) == (404, "r-1")
            assert span["error_type"].endswith("ResourceNotFoundException")

    @BOTH
    async def test_dropped(self, memory: SpanMemory, loopback: Loopback, is_async: bool) -> None:
        client = self.client(self.put(loopback, "drop", True), is_async)
        stream = self.call(client, True)
        if is_async:
            stream = await stream
            await stream.__aiter__().__anext__()
        else:
            next(iter(stream))
        del stream
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        assert self.only(memory)["status"] == "unset"
        await self.end(client)

    @BOTH
    async def test_an_error_inside_of_a_stream(
        self, memory: SpanMemory, loopback: Loopback, is_async: bool
    ) -> None:
        failure = truth.frame(
            "", {"message": "Too much"}, message_type="exception", exception_type="throttlingException"
        )
        body = START + piece("Hel") + failure
        headers = {"content-type": self.stream_type}
        url = loopback.put(made_up("fails", self.path + "-stream", body, headers=headers))
        with pytest.raises(Exception, match="Too much") as raised:
            await self.run(url, is_async, True)
        assert type(raised.value).__name__ == "EventStreamError"
        span = self.only(memory)
        assert (span["status"], span["error_type"]) == ("error", "botocore.exceptions.EventStreamError")
        assert summary(span)["output"] == [{"role": "assistant", "text": "Hel"}]
