"""Makes the recorded call again, with the real client library."""

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anthropic
import openai
from recordings import Recording

_RESOURCES = {
    "/chat/completions": "chat.completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/completions": "completions",
}


def replay(recording: Recording, url: str) -> Any:
    """Makes the call with the synchronous client and reads the answer to its end; errors are returned."""
    with client_for(recording, url, is_async=False) as client:
        try:
            answer = call_of(recording, client)()
            return list(answer) if recording.is_stream else answer
        except (openai.APIError, anthropic.APIError) as error:
            return error


async def replay_async(recording: Recording, url: str) -> Any:
    """Does the same with the asynchronous client."""
    async with client_for(recording, url, is_async=True) as client:
        try:
            answer = await call_of(recording, client)()
            return [chunk async for chunk in answer] if recording.is_stream else answer
        except (openai.APIError, anthropic.APIError) as error:
            return error


def client_for(recording: Recording, url: str, *, is_async: bool) -> Any:
    """Returns the client that makes this kind of call, pointed at the recording on the replay server."""
    root = f"{url}/{recording.key}"
    address = urlsplit(recording.path)
    library = anthropic if recording.file.startswith("anthropic") else openai
    http_client = library.DefaultAsyncHttpxClient if is_async else library.DefaultHttpxClient
    # No certificates are needed on loopback, and loading them takes longer than the call.
    common = {"api_key": "key", "max_retries": 0, "http_client": http_client(verify=False)}
    if library is anthropic:
        kind = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
        return kind(base_url=root, **common)
    if "/deployments/" in address.path:
        azure = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
        deployment = address.path.split("/deployments/")[1].split("/")[0]
        version = parse_qs(address.query)["api-version"][0]
        return azure(azure_endpoint=root, azure_deployment=deployment, api_version=version, **common)
    prefix = address.path.removesuffix(_endpoint(address.path))
    if recording.method == "GET":
        prefix = address.path.partition("/responses/")[0]
    return (openai.AsyncOpenAI if is_async else openai.OpenAI)(base_url=root + prefix, **common)


def call_of(recording: Recording, client: Any) -> Callable[[], Any]:
    """Returns the recorded call, ready to be made."""
    body, path = dict(recording.request), urlsplit(recording.path).path
    if recording.method == "GET":
        return lambda: client.responses.retrieve(path.rsplit("/", 1)[1])
    if recording.file.startswith("anthropic"):
        is_beta = "beta=true" in recording.path
        method = (client.beta.messages if is_beta else client.messages).create
    else:
        resource = client
        for name in _RESOURCES[_endpoint(path)].split("."):
            resource = getattr(resource, name)
        method = resource.create
    known = inspect.signature(method).parameters
    further = {name: body.pop(name) for name in list(body) if name not in known}
    return lambda: method(**body, extra_body=further or None)


def _endpoint(path: str) -> str:
    return next((end for end in _RESOURCES if path.endswith(end)), "")
