"""Who answers at an address: the provider behind a client's base URL.

Many services speak OpenAI's protocol under their own name, so the client library does not tell the
provider; the host does. Of local servers the port may tell, if it is hardly anything else's (Ollama, LM
Studio), and the answer may, where a server marks it as its own. Whoever stays unknown (a gateway) has the
library's own provider, as OpenTelemetry asks: the API flavour as the client sees it.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from spanwise import semconv
from spanwise.operation import Response

_BY_DOMAIN = {
    "openai.com": semconv.PROVIDER_OPENAI,
    "anthropic.com": semconv.PROVIDER_ANTHROPIC,
    "openai.azure.com": semconv.PROVIDER_AZURE_OPENAI,
    "cognitiveservices.azure.com": semconv.PROVIDER_AZURE_OPENAI,
    "openai.azure.us": semconv.PROVIDER_AZURE_OPENAI,
    "openai.azure.cn": semconv.PROVIDER_AZURE_OPENAI,
    "models.ai.azure.com": semconv.PROVIDER_AZURE_INFERENCE,
    "inference.ai.azure.com": semconv.PROVIDER_AZURE_INFERENCE,
    "deepseek.com": semconv.PROVIDER_DEEPSEEK,
    "openrouter.ai": semconv.PROVIDER_OPENROUTER,
    "groq.com": semconv.PROVIDER_GROQ,
    "together.ai": semconv.PROVIDER_TOGETHER,
    "together.xyz": semconv.PROVIDER_TOGETHER,
    "fireworks.ai": semconv.PROVIDER_FIREWORKS,
    "x.ai": semconv.PROVIDER_XAI,
    "perplexity.ai": semconv.PROVIDER_PERPLEXITY,
    "mistral.ai": semconv.PROVIDER_MISTRAL,
    "moonshot.ai": semconv.PROVIDER_MOONSHOT,
    "moonshot.cn": semconv.PROVIDER_MOONSHOT,
    "cohere.ai": semconv.PROVIDER_COHERE,
    "cohere.com": semconv.PROVIDER_COHERE,
    "ai21.com": semconv.PROVIDER_AI21,
    "ollama.com": semconv.PROVIDER_OLLAMA,
    "generativelanguage.googleapis.com": semconv.PROVIDER_GEMINI,
    "aiplatform.googleapis.com": semconv.PROVIDER_VERTEX_AI,
    "ml.cloud.ibm.com": semconv.PROVIDER_WATSONX,
}
_OLLAMA_PORT = 11434
_LM_STUDIO_PORT = 1234
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")  # noqa: S104
_OLLAMA_FINGERPRINT = "fp_ollama"
_LLAMA_CPP_FINGERPRINT = re.compile(r"b\d+-[0-9a-f]{7,}")
"""Its build number and commit."""
_VLLM_ID = re.compile(r"(?:chat|chatcmpl|cmpl)-[0-9a-f]{32}")
"""A UUID without hyphens; OpenAI's ids are of letters of both cases, other servers' have hyphens or none."""
_SCHEME_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Server(NamedTuple):
    """Where a client sends its requests. ``provider`` is None when the address does not tell."""

    address: str | None
    port: int | None
    provider: str | None


_NOWHERE = Server(None, None, None)


def server_of(base_url: Any) -> Server:
    """Returns the server behind a client's base URL.

    ``base_url`` is text, or an ``httpx.URL`` or ``httpx2.URL`` (foreign types, hence ``Any``); anything that
    has no host gives a server of which nothing is known.
    """
    if isinstance(base_url, str):
        return _server_at(base_url)
    host = getattr(base_url, "host", None)
    if not isinstance(host, str) or not host:
        return _NOWHERE
    return _server(host, base_url.port, base_url.scheme, base_url.path)


@lru_cache(maxsize=256)
def _server_at(address: str) -> Server:
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:  # a port that is no number, an address in brackets that are not closed
        return _NOWHERE
    return _server(host, port, url.scheme, url.path) if host else _NOWHERE


@lru_cache(maxsize=256)
def _server(host: str, port: int | None, scheme: str, path: str) -> Server:
    return Server(host, port or _SCHEME_PORTS.get(scheme), _provider(host.lower(), port, path))


def _provider(host: str, port: int | None, path: str) -> str | None:
    if "bedrock" in host and host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return semconv.PROVIDER_BEDROCK
    if host.endswith("aiplatform.googleapis.com"):  # regional hosts carry the region with a hyphen
        return semconv.PROVIDER_VERTEX_AI
    if host.endswith(".services.ai.azure.com"):
        is_openai = "/openai" in path
        return semconv.PROVIDER_AZURE_OPENAI if is_openai else semconv.PROVIDER_AZURE_INFERENCE
    labels = host.split(".")
    for start in range(len(labels) - 1):
        known = _BY_DOMAIN.get(".".join(labels[start:]))
        if known:
            return known
    if port == _LM_STUDIO_PORT and host in _LOCAL_HOSTS:
        return semconv.PROVIDER_LM_STUDIO
    return semconv.PROVIDER_OLLAMA if port == _OLLAMA_PORT else None


def provider_told_by(response: Response) -> str | None:
    """Returns the server that marked an answer in OpenAI's format as its own.

    Only for addresses that say nothing: behind a known host, the host is the provider.
    """
    fingerprint = response.attributes.get(semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT)
    if isinstance(fingerprint, str):
        if fingerprint == _OLLAMA_FINGERPRINT:
            return semconv.PROVIDER_OLLAMA
        if _LLAMA_CPP_FINGERPRINT.fullmatch(fingerprint):
            return semconv.PROVIDER_LLAMA_CPP
        if fingerprint == response.model:
            return semconv.PROVIDER_LM_STUDIO
    return semconv.PROVIDER_VLLM if response.id and _VLLM_ID.fullmatch(response.id) else None
