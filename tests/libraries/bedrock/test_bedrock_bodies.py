"""A body of ``invoke_model`` stays the application's to read; the span ends with it, whichever way."""

import asyncio
import contextlib
import functools
import gc
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from cassettes import made_up
from comparison import summary
from loopback import Loopback
from span_memory import SpanMemory, traced

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'spanwise[test-libraries]'")
aioboto3 = pytest.importorskip("aioboto3", reason="aioboto3 is not installed")
truth = pytest.importorskip("bedrock_truth", reason="botocore is not installed")
response = pytest.importorskip("botocore.response")
stub = pytest.importorskip("botocore.stub")

LIBRARIES = ("bedrock",)
SESSION = aioboto3.Session()
PATH = "/model/m/invoke"
ANSWER = {
    "generation": "Hello you",
    "prompt_token_count": 3,
    "generation_token_count": 4,
    "stop_reason": "stop",
}
RAW = json.dumps(ANSWER).encode()
HEADERS = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "4"}
SETTINGS = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "id",
    "aws_secret_access_key": "secret",
    "config": truth.Config(retries={"total_max_attempts": 1}, read_timeout=5),
}
SENT = json.dumps({"prompt": "Hi", "max_gen_len": 9})
OUTPUT = [{"role": "assistant", "text": "Hello you"}]


@pytest.fixture
def url(loopback: Loopback) -> str:
    return loopback.put(made_up("body", PATH, RAW, headers=HEADERS))


def invoke(url: str) -> dict[str, Any]:
    client = boto3.client("bedrock-runtime", endpoint_url=url, **SETTINGS)
    return client.invoke_model(modelId="m", body=SENT)


def read_into(body: Any) -> bytes:
    buffer, found = bytearray(16), b""
    while count := body.readinto(buffer):
        found += buffer[:count]
    return found


def read_inside(body: Any) -> bytes:
    with body as inner:
        return inner.read()


WAYS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "read all in pieces": lambda body: b"".join(iter(functools.partial(body.read, 7), b"")),
    "read what the header says": lambda body: body.read(len(RAW)),
    "chunks": lambda body: b"".join(body.iter_chunks(5)),
    "iterate": lambda body: b"".join(body),
    "lines": lambda body: b"".join(body.iter_lines()),
    "readlines": lambda body: b"".join(body.readlines()),
    "readinto": read_into,
    "with": read_inside,
    "json": lambda body: json.dumps(json.load(body)).encode(),
    "text": lambda body: io.TextIOWrapper(body).read().encode(),
}


if not hasattr(response.StreamingBody, "readinto"):  # an older botocore
    del WAYS["readinto"], WAYS["text"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_gives_all_and_ends_the_span(way: str, url: str, memory: SpanMemory) -> None:
    answer = invoke(url)
    assert type(answer["body"]) is response.StreamingBody
    assert memory.take() == []  # nothing was read before the application read it
    assert WAYS[way](answer["body"]) == RAW
    (span,) = memory.take()
    assert (summary(span)["output"], span["input_tokens"], span["output_tokens"]) == (OUTPUT, 3, 4)
    assert (span["finish_reasons"], span["status"]) == (["stop"], "unset")
    assert "spanwise.stream.incomplete" not in span["attributes"]
    del answer
    gc.collect()
    assert memory.take() == []


def test_a_body_of_which_only_the_method_is_kept_can_be_read(url: str, memory: SpanMemory) -> None:
    read = invoke(url)["body"].read
    gc.collect()
    first = read(4)
    assert first + read() == RAW
    assert summary(memory.take()[0])["output"] == OUTPUT


@pytest.mark.parametrize("leave", ["close", "drop", "drop a part", "leave with"])
def test_an_unread_body_still_tells_what_it_cost(leave: str, url: str, memory: SpanMemory) -> None:
    answer = invoke(url)
    if leave == "close":
        answer["body"].close()
    elif leave == "leave with":
        with answer["body"]:
            pass
    elif leave == "drop a part":
        assert answer["body"].read(5) == RAW[:5]
    is_dropped = leave.startswith("drop")
    if is_dropped:
        assert memory.take() == []
        del answer  # no garbage collector is needed: nothing of ours makes a cycle
    (span,) = memory.take()
    assert (span["input_tokens"], span["output_tokens"], span["output_messages"]) == (3, 4, None)
    assert span["attributes"]["spanwise.stream.incomplete"] is True
    assert span["status"] == "unset"


def test_a_body_that_breaks_off_fails_as_without_us(loopback: Loopback, memory: SpanMemory) -> None:
    url = loopback.put(made_up("cut", PATH, RAW, headers=HEADERS, cut_after=9))
    with pytest.raises(Exception, match=r"(?i)incomplete|broken|bytes") as raised:
        invoke(url)["body"].read()
    (span,) = memory.take()
    assert span["status"] == "error"
    assert span["error_type"].rpartition(".")[2] == type(raised.value).__name__


def test_a_stubbed_answer_in_memory_is_read_too(memory: SpanMemory) -> None:
    client = boto3.client("bedrock-runtime", **SETTINGS)
    body = response.StreamingBody(io.BytesIO(RAW), len(RAW))
    with stub.Stubber(client) as stubbed:
        stubbed.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        answer = client.invoke_model(modelId="m", body=SENT)
    assert answer["body"] is body
    assert answer["body"].read() == RAW
    assert summary(memory.take()[0])["output"] == OUTPUT


def test_without_spanwise_everything_is_the_same(url: str) -> None:
    plain = invoke(url)
    with traced(LIBRARIES) as memory:
        ours = invoke(url)
        assert {name: type(value) for name, value in ours.items()} == {
            name: type(value) for name, value in plain.items()
        }
        assert (ours["body"].read(), ours["body"].tell()) == (plain["body"].read(), plain["body"].tell())
        assert len(memory.take()) == 1


def test_no_content_where_it_is_off(url: str) -> None:
    with traced(LIBRARIES, capture="NO_CONTENT") as memory:
        assert invoke(url)["body"].read() == RAW
        (span,) = memory.take()
    assert (memory.content, span["output_tokens"]) == ({}, 4)


# --- asynchronous ------------------------------------------------------------------------------------------


async def lines_of(body: Any) -> bytes:
    return b"".join([line async for line in body.iter_lines()])


async def read_async_inside(body: Any) -> bytes:
    async with body as inner:
        return await inner.read()


async def read_in_pieces(body: Any) -> bytes:
    found = b""
    while piece := await body.read(7):
        found += piece
    return found


ASYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(),
    "pieces": read_in_pieces,
    "lines": lines_of,
    "with": read_async_inside,
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_every_asynchronous_way_to_read(way: str, url: str, memory: SpanMemory) -> None:
    async with SESSION.client("bedrock-runtime", endpoint_url=url, **SETTINGS) as client:
        answer = await client.invoke_model(modelId="m", body=SENT)
        assert type(answer["body"]).__name__ == "StreamingBody"
        assert memory.take() == []
        assert await ASYNC_WAYS[way](answer["body"]) == RAW
    (span,) = memory.take()
    assert (summary(span)["output"], span["input_tokens"], span["output_tokens"]) == (OUTPUT, 3, 4)
    assert span["status"] == "unset"


@pytest.mark.parametrize("leave", ["close", "drop", "leave with"])
async def test_an_unread_asynchronous_body(leave: str, url: str, memory: SpanMemory) -> None:
    async with SESSION.client("bedrock-runtime", endpoint_url=url, **SETTINGS) as client:
        answer = await client.invoke_model(modelId="m", body=SENT)
        if leave == "close":
            answer["body"].close()
        elif leave == "leave with":
            async with answer["body"]:
                pass
        else:
            answer["body"].release()
            del answer
            gc.collect()
        (span,) = memory.take()
        assert (span["input_tokens"], span["output_tokens"], span["output_messages"]) == (3, 4, None)


async def test_a_read_that_is_cancelled(loopback: Loopback, memory: SpanMemory) -> None:
    url = loopback.put(made_up("hold", PATH, RAW, headers=HEADERS, hold_after=5))
    async with SESSION.client("bedrock-runtime", endpoint_url=url, **SETTINGS) as client:
        answer = await client.invoke_model(modelId="m", body=SENT)
        task = asyncio.ensure_future(answer["body"].read())
        await asyncio.to_thread(loopback.wait_held)
        await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        loopback.release()
        answer["body"].close()
    (span,) = memory.take()
    assert (span["status"], span["error_type"].rpartition(".")[2]) == ("error", "CancelledError")


# --- other calls -------------------------------------------------------------------------------------------


def test_other_services_make_no_spans(loopback: Loopback, memory: SpanMemory) -> None:
    empty = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
    url = loopback.put(made_up("s3", "/", empty, method="GET", headers={"content-type": "application/xml"}))
    assert boto3.client("s3", endpoint_url=url, **SETTINGS).list_buckets()["Buckets"] == []
    assert memory.take() == []


def test_a_guardrail_that_is_applied(loopback: Loopback, memory: SpanMemory) -> None:
    topic = {"topicPolicy": {"topics": [{"name": "arms", "type": "DENY", "action": "BLOCKED"}]}}
    answer = {
        "action": "GUARDRAIL_INTERVENED",
        "outputs": [{"text": "No."}],
        "assessments": [topic],
        "usage": {},
    }
    url = loopback.put(made_up("guard", "/guardrail/g1/version/2/apply", answer))
    client = boto3.client("bedrock-runtime", endpoint_url=url, **SETTINGS)
    if not hasattr(client, "apply_guardrail"):
        pytest.skip("no recorded data for this version: botocore has no apply_guardrail yet")
    client.apply_guardrail(
        guardrailIdentifier="g1",
        guardrailVersion="2",
        source="INPUT",
        content=[{"text": {"text": "How?", "qualifiers": ["query"]}}],
    )
    (span,) = memory.take()
    attributes = span["attributes"]
    assert (span["operation"], attributes["aws.bedrock.guardrail.id"]) == ("guardrail", "g1")
    assert attributes["aws.bedrock.guardrail.action"] == "GUARDRAIL_INTERVENED"
    assert attributes["aws.bedrock.guardrail.policies"] == ("topic:arms:BLOCKED",)
    assert summary(span)["input"] == [{"role": "user", "text": "How?"}]
    assert summary(span)["output"] == [{"role": "assistant", "text": "No."}]
