"""Every recording of the Gemini API and of Vertex AI, replayed to the real client, comes out as one span."""

import contextlib
from typing import Any

import pytest
from cassettes import Exchange, load, params
from comparison import summary
from google_truth import expected, model_of
from loopback import Loopback
from span_memory import SpanMemory

from spanwise.integrations._google_content import ContentFold

genai = pytest.importorskip(
    "google.genai", reason="google-genai is not installed: pip install 'spanwise[test-libraries]'"
)
credentials = pytest.importorskip("google.oauth2.credentials")

pytestmark = pytest.mark.filterwarnings(
    # The client inherits from aiohttp's session, and leaves it to the garbage collector.
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning",
    "ignore:unclosed:ResourceWarning",
    "ignore:.* is not a valid:UserWarning",  # an older client, a newer answer
)
LIBRARIES = ("google_genai",)
FILES = ("google-genai-generate", "google-genai-stream", "google-genai-embed", "vertex-generate")
EVERYTHING = load(*FILES, "vertex-stream")
NUMBERED = [each for each in EVERYTHING if "enum-encoding" in each.path]
"""Recorded with another client, which asks for numbers in place of names: google-genai cannot parse them."""
RECORDED = params([each for each in EVERYTHING if each not in NUMBERED])
NO_CALLS = params(load("google-genai-count-tokens", "vertex-count-tokens"))


def client_of(exchange: Exchange, url: str) -> Any:
    version = exchange.path.split("/")[1]
    # No certificates are needed on loopback, and loading them takes longer than the call.
    options = {
        "base_url": url,
        "api_version": version,
        "client_args": {"verify": False},
        "async_client_args": {"verify": False, "ssl": False},
    }
    known = genai.types.HttpOptions.model_fields
    options = {name: value for name, value in options.items() if name in known}
    if "/projects/" not in exchange.path:
        return genai.Client(api_key="key", http_options=options)
    project, location = exchange.path.split("/")[3], exchange.path.split("/")[5]
    token = credentials.Credentials(token="token")
    return genai.Client(
        vertexai=True, project=project, location=location, credentials=token, http_options=options
    )


def arguments(exchange: Exchange) -> dict[str, Any]:
    """Returns the recorded call as far as the client has words for it; the rest is added to the body."""
    body = exchange.request
    config: dict[str, Any] = dict(body.get("generationConfig") or {})
    for name in ("tools", "systemInstruction", "safetySettings", "toolConfig", "cachedContent"):
        if body.get(name):
            config[name] = body[name]
    known = {"contents", "generationConfig", *config}
    try:
        genai.types.GenerateContentConfig.model_validate(config)
        [genai.types.Content.model_validate(each) for each in body["contents"]]
    except ValueError:
        known, config = set(), {}
    rest = {name: value for name, value in body.items() if name not in known}
    if rest:
        config["http_options"] = {"extra_body": rest}
    return {"model": model_of(exchange), "contents": body["contents"] if known else "x", "config": config}


def embedding(exchange: Exchange) -> dict[str, Any]:
    asked = exchange.request["requests"]
    config = {name: asked[0][name] for name in ("taskType", "outputDimensionality") if name in asked[0]}
    options = {"extra_body": {"requests": asked}}  # newer clients ask newer models one text at a time
    texts = [each["content"]["parts"][0]["text"] for each in asked]
    return {"model": model_of(exchange), "contents": texts, "config": {**config, "http_options": options}}


def check(exchange: Exchange, memory: SpanMemory) -> None:
    spans = memory.take()
    assert len(spans) == 1
    wanted, got = expected(exchange), summary(spans[0])
    if "error_message" in wanted:
        assert wanted.pop("error_message") in got.pop("error_message")
        assert spans[0]["attributes"]["http.response.status_code"] == exchange.status
    assert {name: got[name] for name in wanted} == wanted
    is_vertex = "/projects/" in exchange.path
    assert spans[0]["provider"] == ("gcp.vertex_ai" if is_vertex else "gcp.gemini")


@pytest.mark.parametrize("exchange", RECORDED)
def test_sync_call_is_recorded(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    client = client_of(exchange, loopback.put(exchange))
    try:
        if "mbedContent" in exchange.path:
            client.models.embed_content(**embedding(exchange))
        elif "stream" in exchange.path:
            chunks = list(client.models.generate_content_stream(**arguments(exchange)))
            assert len(chunks) == len(exchange.events)
        else:
            client.models.generate_content(**arguments(exchange))
        status = 200
    except genai.errors.APIError as error:
        status = error.code
    assert status == exchange.status
    check(exchange, memory)


@pytest.mark.parametrize("exchange", RECORDED)
async def test_async_call_is_recorded(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    models = client_of(exchange, loopback.put(exchange)).aio.models
    try:
        if "mbedContent" in exchange.path:
            await models.embed_content(**embedding(exchange))
        elif "stream" in exchange.path:
            stream = await models.generate_content_stream(**arguments(exchange))
            assert len([chunk async for chunk in stream]) == len(exchange.events)
        else:
            await models.generate_content(**arguments(exchange))
        status = 200
    except genai.errors.APIError as error:
        status = error.code
    assert status == exchange.status
    check(exchange, memory)


@pytest.mark.parametrize("exchange", NO_CALLS)
def test_counting_tokens_is_no_model_call(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    client = client_of(exchange, loopback.put(exchange))
    with contextlib.suppress(genai.errors.APIError):
        client.models.count_tokens(model=model_of(exchange), contents=exchange.request["contents"])
    assert exchange.key in loopback.sent
    assert memory.take() == []


@pytest.mark.parametrize("exchange", params(load("google-genai-cached-contents")))
def test_caches_are_no_model_calls(exchange: Exchange, memory: SpanMemory, loopback: Loopback) -> None:
    client = client_of(exchange, loopback.put(exchange))
    if exchange.method == "DELETE":
        client.caches.delete(name=exchange.path.removeprefix("/v1beta/"))
    else:
        body = exchange.request
        client.caches.create(model="gemini-2.5-flash", config={"contents": body["contents"]})
    assert exchange.key in loopback.sent
    assert memory.take() == []


@pytest.mark.parametrize("exchange", params(NUMBERED))
def test_numbers_for_names_are_read(exchange: Exchange) -> None:
    answers = exchange.answer if isinstance(exchange.answer, list) else [exchange.answer]
    fold = ContentFold(wants_content=True)
    for answer in answers:
        fold.add(answer)
    response, usage = fold.response(), answers[-1]["usageMetadata"]
    (part,) = answers[0]["candidates"][0]["content"]["parts"]
    assert response.finish_reasons == ["stop"]
    assert response.output_messages[0]["parts"] == [{"type": "text", "content": part["text"]}]
    assert response.usage.input_tokens == usage["promptTokenCount"]
    assert response.usage.output_tokens == usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
