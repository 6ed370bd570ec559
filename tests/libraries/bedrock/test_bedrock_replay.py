"""Every recording of Bedrock's runtime, replayed to boto3 and aioboto3, comes out as one span."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cassettes import Exchange, load, params
from comparison import message_digest, summary
from loopback import Loopback
from span_memory import SpanMemory

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: pip install 'spanwise[test-libraries]'")
aioboto3 = pytest.importorskip("aioboto3", reason="aioboto3 is not installed")
truth = pytest.importorskip("bedrock_truth", reason="botocore is not installed")
ClientError = truth.ClientError
events, expected = truth.events, truth.expected
model_of, operation_of, sent = truth.model_of, truth.operation_of, truth.sent

LIBRARIES = ("bedrock",)
MODEL = truth.get_session().get_service_model("bedrock-runtime")
SESSION = aioboto3.Session()  # reads AWS's models of its services, which takes a while, once
RECORDED = params(
    load(
        "bedrock-converse",
        "bedrock-converse-stream",
        "bedrock-invoke",
        "bedrock-invoke-stream",
        "bedrock-embed",
    )
)
CREDENTIALS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "id",
    "aws_secret_access_key": "secret",
    # A recording may use what this version of botocore has no name for yet.
    "config": truth.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
}
METHODS = {
    "converse": "converse",
    "converse-stream": "converse_stream",
    "invoke": "invoke_model",
    "invoke-with-response-stream": "invoke_model_with_response_stream",
}


def sendable(exchange: Exchange, operation: str = "Converse", model: Any = MODEL) -> Exchange:
    """Returns a recording with the parameters that this version of botocore has names for."""
    shape = model.operation_model(operation).input_shape
    return replace(exchange, sent=json.dumps(pruned(sent(exchange), shape)).encode())


def pruned(value: Any, shape: Any) -> Any:
    if shape.type_name == "structure" and not shape.is_document_type:
        return {
            name: pruned(held, shape.members[name]) for name, held in value.items() if name in shape.members
        }
    if shape.type_name == "list":
        return [kept for each in value if (kept := pruned(each, shape.member)) != {}]
    return value


def arguments(exchange: Exchange) -> dict[str, Any]:
    """Returns the parameters of the recorded call."""
    if operation_of(exchange).startswith("invoke"):
        return {"modelId": model_of(exchange), "body": exchange.sent}
    return {"modelId": model_of(exchange), **sent(exchange)}


def readable(exchange: Exchange) -> Exchange:
    """Returns a recording with what this version of botocore hands on of an answer of ``converse``."""
    if operation_of(exchange) != "converse" or exchange.status >= 400:
        return exchange
    shape = MODEL.operation_model("Converse").output_shape
    return replace(exchange, body=json.dumps(pruned(exchange.answer, shape)).encode())


def check(exchange: Exchange, memory: SpanMemory) -> None:
    spans = memory.take()
    assert len(spans) == 1
    wanted, got = expected(readable(exchange)), summary(spans[0])
    # Texts of one message are joined; an empty message has no text.
    assert {name: got[name] for name in wanted} == wanted
    attributes = spans[0]["attributes"]
    assert (spans[0]["provider"], attributes["cloud.region"]) == ("aws.bedrock", "us-east-1")
    assert attributes.get("aws.request_id") == exchange.headers.get("x-amzn-requestid")
    if exchange.status >= 400:
        assert attributes["http.response.status_code"] == exchange.status
        assert exchange.answer["message"] in spans[0]["status_message"]


@pytest.mark.parametrize("exchange", RECORDED)
def test_sync_call_is_recorded(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    exchange = exchange if operation_of(exchange).startswith("invoke") else sendable(exchange)
    client = boto3.client("bedrock-runtime", endpoint_url=loopback.put(exchange), **CREDENTIALS)
    method = getattr(client, METHODS[operation_of(exchange)])
    with contextlib.closing(client):
        if exchange.status >= 400:
            with pytest.raises(ClientError):
                method(**arguments(exchange))
        else:
            answer = method(**arguments(exchange))
            if operation_of(exchange) == "invoke":
                assert answer["body"].read() == exchange.body
            elif operation_of(exchange).endswith("stream"):
                stream = answer.get("stream") or answer["body"]
                assert len(list(stream)) == len(events(exchange.body))
    check(exchange, memory)


@pytest.mark.parametrize("exchange", RECORDED)
async def test_async_call_is_recorded(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    exchange = exchange if operation_of(exchange).startswith("invoke") else sendable(exchange)
    url = loopback.put(exchange)
    async with SESSION.client("bedrock-runtime", endpoint_url=url, **CREDENTIALS) as client:
        method = getattr(client, METHODS[operation_of(exchange)])
        if exchange.status >= 400:
            with pytest.raises(ClientError):
                await method(**arguments(exchange))
        else:
            answer = await method(**arguments(exchange))
            if operation_of(exchange) == "invoke":
                assert await answer["body"].read() == exchange.body
            elif operation_of(exchange).endswith("stream"):
                stream = answer.get("stream") or answer["body"]
                assert len([event async for event in stream]) == len(events(exchange.body))
    check(exchange, memory)


@pytest.mark.parametrize("exchange", params(load("bedrock-count-tokens")))
def test_counting_tokens_is_no_model_call(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    client = boto3.client("bedrock-runtime", endpoint_url=loopback.put(exchange), **CREDENTIALS)
    if "CountTokens" not in MODEL.operation_names:
        pytest.skip("no recorded data for this version: botocore has no count_tokens yet")
    before = len(loopback.sent)
    asked = sent(sendable(exchange, "CountTokens"))["input"]
    with contextlib.closing(client), contextlib.suppress(ClientError):
        client.count_tokens(modelId=model_of(exchange), input=asked)
    assert len(loopback.sent) > before
    assert memory.take() == []


@pytest.mark.parametrize("exchange", params(load("bedrock-agents")))
def test_agents_are_recorded(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    client = boto3.client("bedrock-agent-runtime", endpoint_url=loopback.put(exchange), **CREDENTIALS)
    with contextlib.closing(client):
        if "retrieveAndGenerate" in exchange.path:
            check_answer(client.retrieve_and_generate(**sent(exchange)), exchange, memory)
            return
        _, agent, _, alias, _, session, _ = exchange.path.strip("/").split("/")
        exchange = sendable(exchange, "InvokeAgent", client.meta.service_model)
        answer = client.invoke_agent(agentId=agent, agentAliasId=alias, sessionId=session, **sent(exchange))
        said = b"".join(event["chunk"]["bytes"] for event in answer["completion"] if "chunk" in event)
    (span,) = memory.take()
    attributes = span["attributes"]
    assert (span["operation"], span["status"]) == ("invoke_agent", "unset")
    assert (attributes["gen_ai.agent.id"], attributes["gen_ai.conversation.id"]) == (agent, session)
    asked, told = span["input_messages"], span["output_messages"]
    assert message_digest(asked[0]) == {"role": "user", "text": sent(exchange)["inputText"]}
    assert message_digest(told[0]) == {"role": "assistant", "text": said.decode()}
    usages = list(found(exchange, "usage"))
    assert span["input_tokens"] == (sum(usage["inputTokens"] for usage in usages) or None)
    assert span["output_tokens"] == (sum(usage["outputTokens"] for usage in usages) or None)


def found(exchange: Exchange, name: str) -> Any:
    """Yields every ``name`` in the traces of an agent's models."""
    for kind, payload in events_of_agent(exchange.body):
        if kind == "trace":
            for step in payload["trace"].values():
                held = step.get("modelInvocationOutput", {}).get("metadata", {}).get(name)
                if held:
                    yield held


def events_of_agent(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    buffer = truth.EventStreamBuffer()
    buffer.add_data(body)
    return [(event.headers[":event-type"], json.loads(event.payload)) for event in buffer]


def check_answer(answer: dict[str, Any], exchange: Exchange, memory: SpanMemory) -> None:
    (span,) = memory.take()
    config = sent(exchange)["retrieveAndGenerateConfiguration"]["externalSourcesConfiguration"]
    assert (span["operation"], span["request_model"]) == ("chat", config["modelArn"])
    assert message_digest(span["output_messages"][0])["text"] == answer["output"]["text"]
    references = [each for cited in answer["citations"] for each in cited["retrievedReferences"]]
    documents = span["attributes"]["gen_ai.retrieval.documents"]
    assert [each["content"] for each in documents] == [each["content"]["text"] for each in references]
    assert {each["id"] for each in documents} == {
        each["location"]["s3Location"]["uri"] for each in references
    }
