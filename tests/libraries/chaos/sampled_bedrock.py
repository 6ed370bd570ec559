"""Calls of boto3 and aioboto3 to Bedrock."""

import asyncio
import json
import warnings
from typing import Any

import aioboto3
import boto3
from bedrock_truth import Config, frame
from cassettes import made_up
from loopback import Loopback

_MESSAGE = {"role": "assistant", "content": [{"text": "Paris."}]}
_ANSWER = {
    "output": {"message": _MESSAGE},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    "metrics": {"latencyMs": 1},
}
_EVENTS = [
    frame("messageStart", {"role": "assistant"}),
    *(
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}})
        for word in ("Pa", "ris", ".")
    ),
    frame("messageStop", {"stopReason": "end_turn"}),
]
_BODY = {"generation": "Paris.", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "stop"}
_SESSION = aioboto3.Session()


def _settings(loopback: Loopback, key: str, method: str, body: Any, **further: Any) -> dict[str, Any]:
    return {
        "service_name": "bedrock-runtime",
        "endpoint_url": loopback.put(made_up(f"bedrock-{key}", f"/model/m/{method}", body, **further)),
        "region_name": "us-east-1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": "secret",
        "config": Config(retries={"total_max_attempts": 1}),
    }


def _asked(text: str) -> dict[str, Any]:
    return {"modelId": "m", "messages": [{"role": "user", "content": [{"text": text}]}]}


def _told(answer: dict[str, Any]) -> Any:
    return type(answer), {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def call(loopback: Loopback, text: str) -> Any:
    return _told(boto3.client(**_settings(loopback, "call", "converse", _ANSWER)).converse(**_asked(text)))


def body(loopback: Loopback, text: str) -> Any:
    client = boto3.client(**_settings(loopback, "body", "invoke", _BODY))
    held = client.invoke_model(modelId="m", body=json.dumps({"prompt": text}))["body"]
    return type(held), held.read()


def stream(loopback: Loopback, text: str) -> Any:
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    settings = _settings(loopback, "stream", "converse-stream", b"".join(_EVENTS), headers=headers)
    events = boto3.client(**settings).converse_stream(**_asked(text))["stream"]
    return type(events), list(events)


def async_call(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        async with _SESSION.client(**_settings(loopback, "async", "converse", _ANSWER)) as client:
            return _told(await client.converse(**_asked(text)))

    return _run(ask())


def async_stream(loopback: Loopback, text: str) -> Any:
    async def ask() -> Any:
        headers = {"content-type": "application/vnd.amazon.eventstream"}
        settings = _settings(loopback, "astream", "converse-stream", b"".join(_EVENTS), headers=headers)
        async with _SESSION.client(**settings) as client:
            events = (await client.converse_stream(**_asked(text)))["stream"]
            return type(events), [event async for event in events]

    return _run(ask())


def _run(asked: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # aiohttp would rather have a large body in a file
        return asyncio.run(asked)


def refused(loopback: Loopback, text: str) -> Any:
    headers = {"x-amzn-errortype": "ThrottlingException"}
    settings = _settings(loopback, "refused", "converse", {"message": "slow"}, status=429, headers=headers)
    return boto3.client(**settings).converse(**_asked(text))


SAMPLES = {
    "call": call,
    "body": body,
    "stream": stream,
    "async call": async_call,
    "async stream": async_stream,
    "refused": refused,
}
"""Each gets the loopback server and the prompt, and returns what the client gave."""
