"""What the generated clients share: finding the endpoint, looking into objects, cutting bodies in events."""

import importlib
import importlib.util
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import NOT_GIVEN, AzureOpenAI, OpenAI, omit
from openai.types.chat import ChatCompletionMessage

from spanwise.integrations import anthropic, openai
from spanwise.integrations._declaration import Call
from spanwise.integrations._hosts import server_of
from spanwise.integrations._stainless_body import BodyFold, EventLines
from spanwise.integrations._stainless_fields import as_count, fields, is_sentinel, items, loaded, plain

URL_TYPES = [
    importlib.import_module(name).URL for name in ("httpx", "httpx2") if importlib.util.find_spec(name)
]
"""The clients use the one or the other, by their version."""


class Options:
    """Stands for the client's ``FinalRequestOptions``."""

    def __init__(self, method: str, url: str, json_data: Any = None, extra_json: Any = None) -> None:
        self.method, self.url = method, url
        self.json_data, self.extra_json = json_data, extra_json


def call(options: Options, client: Any = None, **kwargs: Any) -> Call:
    return Call(client, (dict, options), kwargs, True)


OPENAI = openai.INTEGRATION.targets[0].reader
ANTHROPIC = anthropic.INTEGRATION.targets[0].reader


@pytest.mark.parametrize(
    ("reader", "method", "url", "is_traced"),
    [
        (OPENAI, "post", "/chat/completions", True),
        (OPENAI, "post", "https://gate.test/v1/chat/completions", True),
        (OPENAI, "post", "/deployments/gpt/chat/completions?api-version=1", True),
        (OPENAI, "post", "/chat/completions/", True),
        (OPENAI, "get", "/chat/completions", False),
        (OPENAI, "post", "/chat/completions/chatcmpl_1", False),
        (OPENAI, "post", "/completions", True),
        (OPENAI, "post", "/embeddings", True),
        (OPENAI, "post", "/responses", True),
        (OPENAI, "get", "/responses/resp_1?stream=true", True),
        (OPENAI, "delete", "/responses/resp_1", False),
        (OPENAI, "post", "/responses/resp_1/cancel", False),
        (OPENAI, "post", "/responses/input_tokens", False),
        (OPENAI, "get", "/responses/resp_1/input_items", False),
        (OPENAI, "post", "/images/generations", False),
        (OPENAI, "post", "chat/completions", True),
        (OPENAI, "get", "/models", False),
        (ANTHROPIC, "post", "/v1/messages?beta=true", True),
        (ANTHROPIC, "post", "/v1/messages/count_tokens", False),
        (ANTHROPIC, "post", "/v1/messages/batches", False),
        (ANTHROPIC, "post", "/v1/complete", True),
    ],
)
def test_only_model_calls_are_traced(reader: Any, method: str, url: str, is_traced: bool) -> None:
    assert reader.accepts(call(Options(method, url))) is is_traced


def test_reading_a_request_that_no_endpoint_declares_is_an_error() -> None:
    with pytest.raises(LookupError, match="get /models"):
        OPENAI.read_request(call(Options("get", "/models")))


@pytest.mark.parametrize(
    ("base_url", "address", "port", "provider"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443, "openai"),
        ("https://api.anthropic.com", "api.anthropic.com", 443, "anthropic"),
        ("https://api.cohere.ai/compatibility/v1", "api.cohere.ai", 443, "cohere"),
        ("https://api.cohere.com", "api.cohere.com", 443, "cohere"),
        ("https://ollama.com/v1", "ollama.com", 443, "ollama"),
        ("https://us-south.ml.cloud.ibm.com/v1", "us-south.ml.cloud.ibm.com", 443, "ibm.watsonx.ai"),
        ("https://api.together.ai/v1", "api.together.ai", 443, "together_ai"),
        ("https://api.moonshot.ai/v1", "api.moonshot.ai", 443, "moonshot_ai"),
        (
            "https://r.cognitiveservices.azure.com/openai",
            "r.cognitiveservices.azure.com",
            443,
            "azure.ai.openai",
        ),
        ("https://r.openai.azure.us/openai", "r.openai.azure.us", 443, "azure.ai.openai"),
        ("https://r.openai.azure.cn/openai", "r.openai.azure.cn", 443, "azure.ai.openai"),
        ("https://m.models.ai.azure.com/v1", "m.models.ai.azure.com", 443, "azure.ai.inference"),
        ("https://models.inference.ai.azure.com", "models.inference.ai.azure.com", 443, "azure.ai.inference"),
        ("https://aiplatform.googleapis.com/v1", "aiplatform.googleapis.com", 443, "gcp.vertex_ai"),
        (
            "https://bedrock-mantle.us-east-1.api.aws/openai/v1",
            "bedrock-mantle.us-east-1.api.aws",
            443,
            "aws.bedrock",
        ),
        (
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
            443,
            "aws.bedrock",
        ),
        ("https://eu.api.openai.com/v1", "eu.api.openai.com", 443, "openai"),
        ("https://r.openai.azure.com/openai", "r.openai.azure.com", 443, "azure.ai.openai"),
        ("https://r.services.ai.azure.com/openai/v1", "r.services.ai.azure.com", 443, "azure.ai.openai"),
        ("https://r.services.ai.azure.com/models", "r.services.ai.azure.com", 443, "azure.ai.inference"),
        ("https://api.deepseek.com", "api.deepseek.com", 443, "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter.ai", 443, "openrouter"),
        ("https://api.groq.com/openai/v1", "api.groq.com", 443, "groq"),
        ("https://api.together.xyz/v1", "api.together.xyz", 443, "together_ai"),
        ("https://api.fireworks.ai/inference/v1", "api.fireworks.ai", 443, "fireworks"),
        ("https://api.x.ai/v1", "api.x.ai", 443, "x_ai"),
        ("https://api.perplexity.ai", "api.perplexity.ai", 443, "perplexity"),
        ("https://api.mistral.ai/v1", "api.mistral.ai", 443, "mistral_ai"),
        ("https://api.moonshot.cn/v1", "api.moonshot.cn", 443, "moonshot_ai"),
        ("https://API.DeepSeek.com:8443/v1", "api.deepseek.com", 8443, "deepseek"),
        (
            "https://us-east5-aiplatform.googleapis.com/v1",
            "us-east5-aiplatform.googleapis.com",
            443,
            "gcp.vertex_ai",
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "generativelanguage.googleapis.com",
            443,
            "gcp.gemini",
        ),
        (
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
            "bedrock-runtime.us-west-2.amazonaws.com",
            443,
            "aws.bedrock",
        ),
        ("http://localhost:11434/v1", "localhost", 11434, "ollama"),
        ("http://localhost:8000/v1", "localhost", 8000, None),
        ("http://10.0.0.7/v1", "10.0.0.7", 80, None),
        ("https://notopenai.com/v1", "notopenai.com", 443, None),
        ("https://api.openai.com.evil.test/v1", "api.openai.com.evil.test", 443, None),
    ],
)
@pytest.mark.parametrize("url_type", URL_TYPES)
def test_provider_is_told_from_the_host(
    url_type: Any, base_url: str, address: str, port: int, provider: str | None
) -> None:
    assert server_of(url_type(base_url)) == (address, port, provider)


@pytest.mark.parametrize("nowhere", [None, URL_TYPES[0]("/relative"), object()])
def test_no_host_is_no_server(nowhere: Any) -> None:
    assert server_of(nowhere) == (None, None, None)


def test_request_has_server_provider_and_what_extra_body_added() -> None:
    client = OpenAI(api_key="k", base_url="http://localhost:8000/v1")
    options = Options("post", "/chat/completions", {"model": "m", "messages": []}, {"top_k": 3})
    request = OPENAI.read_request(call(options, client, stream=True))
    assert (request.provider, request.server_address, request.server_port) == ("openai", "localhost", 8000)
    assert (request.is_stream, request.model, request.attributes["gen_ai.request.top_k"]) == (True, "m", 3)


def test_answer_is_read_although_the_client_rewrote_the_address() -> None:
    """The clients for Bedrock and Vertex do, in place, with the model taken out of the body."""
    options = Options("post", "/v1/messages", {"model": "m", "messages": []})
    asked = call(options, OpenAI(api_key="k", base_url="http://localhost:8000"))
    assert ANTHROPIC.accepts(asked)
    assert ANTHROPIC.read_request(asked).model == "m"
    options.url = "/model/m/invoke"
    assert ANTHROPIC.read_response({"id": "msg_1"}, asked).id == "msg_1"
    assert ANTHROPIC.new_state(asked).fold.response().id is None


def test_client_of_azure_tells_the_provider_behind_a_gateway() -> None:
    client = AzureOpenAI(api_key="k", api_version="1", azure_endpoint="http://gate.test")
    request = OPENAI.read_request(call(Options("post", "/embeddings", {"model": "m"}), client))
    assert (request.provider, request.is_stream) == ("azure.ai.openai", False)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("Anthropic", "anthropic"),
        ("AsyncAnthropicBedrock", "aws.bedrock"),
        ("AnthropicVertex", "gcp.vertex_ai"),
        ("AnthropicFoundry", "azure.ai.inference"),
    ],
)
def test_client_of_anthropic_tells_the_platform(name: str, provider: str) -> None:
    assert anthropic.provider_of(type(name, (), {})()) == provider


def test_only_the_span_name_of_the_traced_call_is_taken_away() -> None:
    options = Options("post", "/v1/messages")
    anthropic.stand_in(call(options))
    assert not hasattr(options, "span_name")  # clients before 2.x have none
    options.span_name = "anthropic.messages.create"
    anthropic.stand_in(call(options))
    assert options.span_name is None


def test_fields_are_those_of_models_and_their_extras() -> None:
    message = ChatCompletionMessage.construct(role="assistant", content="Hi", reasoning_content="Hm.")
    assert fields(message)["content"] == "Hi"
    assert fields(message)["reasoning_content"] == "Hm."
    assert [fields(each) for each in (None, "text", 3)] == [{}, {}, {}]


def test_plain_is_a_fresh_json_able_copy() -> None:
    inner = {"deep": [1, None]}
    message = ChatCompletionMessage.construct(role="assistant", content="Hi", extra={"a": None})
    value = {"model": message, "raw": b"\x00\x01", "inner": inner, 7: (1.5, True), "gone": NOT_GIVEN}
    copied = plain(value)
    assert copied == {
        "model": {"role": "assistant", "content": "Hi", "extra": {"a": None}},
        "raw": "AAE=",
        "inner": {"deep": [1, None]},
        "7": [1.5, True],
    }
    assert copied["inner"] is not inner
    assert plain(complex(1, 2)) == "(1+2j)"
    json.dumps(copied)


def test_sentinels_odd_lists_and_odd_counts() -> None:
    assert [is_sentinel(each) for each in (NOT_GIVEN, omit, None, "NotGiven")] == [True, True, False, False]
    assert [items(each) for each in (None, "text", {"a": 1}, [1])] == [(), (), (), [1]]
    assert [as_count(each) for each in (3, 3.0, 3.5, True, "3", None)] == [3, 3, None, None, None, None]
    assert [loaded(b'{"a": 1}'), loaded(b"no json"), loaded(b"\xff")] == [{"a": 1}, "no json", "\ufffd"]


STREAM = (
    ": OPENROUTER PROCESSING\n\n"
    'event: a\ndata: {"n": 1, "text": "Zürich — 21 °C"}\n\n'
    'data: {"n":\ndata: 2}\n\n'
    'data:{"n": 3}\r\n\r\n'
    "data: not json\n\n"
    'id: 7\ndata: {"n": 4}\r\r'
    "data: [DONE]\n\n"
    'data: {"n": 5}'
).encode()


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    seen: list[Any] = []
    fold = BodyFold(seen.append)
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        fold.feed(STREAM[start:end])
    assert fold.document() is None
    assert [event["n"] for event in seen] == [1, 2, 3, 4, 5]
    assert seen[0]["text"] == "Zürich — 21 °C"


@given(cuts=st.lists(st.integers(0, 30), max_size=10))
@settings(max_examples=50, deadline=None)
def test_document_is_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    document = ' \n{"text": "Zürich"}'.encode()
    seen: list[Any] = []
    fold = BodyFold(seen.append)
    edges = [0, *sorted(min(cut, len(document)) for cut in cuts), len(document)]
    for start, end in itertools.pairwise(edges):
        fold.feed(document[start:end])
    assert (fold.document(), seen) == (document, [])


def test_body_that_was_never_read_is_nothing() -> None:
    assert BodyFold([].append).document() is None
    assert list(EventLines().feed(b"", final=True)) == []


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert list(EventLines().feed(b"data: a\xffb\n\n")) == ["a\ufffdb"]
