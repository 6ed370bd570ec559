"""Never a key, an authorization header or a cookie in a span, by whatever option a client is given one.

Nothing is scrubbed here: what is not read cannot leak. Only where a provider's error quotes the key back is
the scrubber asked for, since the message is the app's to see.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from spanwise import testing

KEY = "sk-proj-Zx9QwErTyUiOpAsDfGhJkLzXcVbNm1234567890abcd"
SECRETS = {
    "key": KEY,
    "password": "hunter2-in-the-url",
    "header": "header-credential-4711",
    "cookie": "cookie-credential-4712",
    "query": "query-credential-4713",
    "body": "body-credential-4714",
    "organization": "org-credential-4715",
}
HEADERS = {
    "Authorization": f"Bearer {SECRETS['header']}",
    "Proxy-Authorization": SECRETS["header"],
    "X-Api-Key": SECRETS["header"],
    "Cookie": f"session={SECRETS['cookie']}",
}
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server() -> Iterator[Callable[[int], str]]:
    """Starts servers that answer all requests with one status; they set cookies, and quote keys in errors."""
    opened: list[ThreadingHTTPServer] = []

    def start(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                quoted = {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "k"}}
                body = json.dumps({} if status == 200 else quoted)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.send_header("set-cookie", f"session={SECRETS['cookie']}")
                self.end_headers()
                self.wfile.write(body.encode())

        opened.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=opened[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"127.0.0.1:{opened[-1].server_address[1]}"

    yield start
    for each in opened:
        each.shutdown()
        each.server_close()


def with_openai(place: str) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'spanwise[test]'")
    client = openai.OpenAI(
        api_key=KEY,
        organization=SECRETS["organization"],
        base_url=f"http://user:{SECRETS['password']}@{place}/v1",
        default_headers=HEADERS,
        default_query={"api-key": SECRETS["query"]},
        max_retries=0,
    )
    options = {
        "extra_headers": HEADERS,
        "extra_query": {"token": SECRETS["query"]},
        "extra_body": {
            "api_key": SECRETS["body"],
            "authorization": SECRETS["body"],
            "cookie": SECRETS["body"],
        },
    }
    for call in (
        lambda: client.chat.completions.create(model="m", messages=HELLO, **options),
        lambda: list(client.chat.completions.create(model="m", messages=HELLO, stream=True, **options)),
        lambda: client.responses.create(model="m", input="hello", **options),
        lambda: client.embeddings.create(model="m", input="hello", **options),
        lambda: client.completions.create(model="m", prompt="hello", **options),
        lambda: client.with_options(api_key=SECRETS["key"]).chat.completions.with_raw_response.create(
            model="m", messages=HELLO, **options
        ),
    ):
        with suppress(Exception):
            call()


def with_azure(place: str) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'spanwise[test]'")
    client = openai.AzureOpenAI(
        azure_endpoint=f"http://{place}",
        api_version="2024-10-21",
        azure_ad_token=SECRETS["key"],
        default_headers=HEADERS,
        max_retries=0,
    )
    with suppress(Exception):
        client.chat.completions.create(model="m", messages=HELLO, extra_headers=HEADERS)


def with_anthropic(place: str) -> None:
    anthropic = pytest.importorskip(
        "anthropic", reason="anthropic is not installed: pip install 'spanwise[test]'"
    )
    client = anthropic.Anthropic(
        api_key=KEY,
        base_url=f"http://user:{SECRETS['password']}@{place}",
        default_headers=HEADERS,
        max_retries=0,
    )
    options = {
        "extra_headers": HEADERS,
        "extra_query": {"token": SECRETS["query"]},
        "extra_body": {"api_key": SECRETS["body"]},
    }
    for stream in (False, True):
        with suppress(Exception):
            list(client.messages.create(model="m", max_tokens=5, messages=HELLO, stream=stream, **options))


def with_groq(place: str) -> None:
    groq = pytest.importorskip("groq", reason="groq is not installed: pip install 'spanwise[test-libraries]'")
    client = groq.Groq(
        api_key=KEY,
        base_url=f"http://user:{SECRETS['password']}@{place}",
        default_headers=HEADERS,
        default_query={"api-key": SECRETS["query"]},
        max_retries=0,
    )
    with suppress(Exception):
        client.chat.completions.create(
            model="m", messages=HELLO, extra_headers=HEADERS, extra_body={"api_key": SECRETS["body"]}
        )


def with_mistralai(place: str) -> None:
    pytest.importorskip(
        "mistralai", reason="mistralai is not installed: pip install 'spanwise[test-libraries]'"
    )
    try:
        from mistralai.client import Mistral
    except ImportError:
        from mistralai import Mistral
    client = Mistral(api_key=KEY, server_url=f"http://{place}")
    with suppress(Exception):
        client.chat.complete(model="m", messages=HELLO, http_headers=HEADERS)


def with_cohere(place: str) -> None:
    cohere = pytest.importorskip(
        "cohere", reason="cohere is not installed: pip install 'spanwise[test-libraries]'"
    )
    client = cohere.ClientV2(api_key=KEY, base_url=f"http://{place}")
    options = {
        "additional_headers": HEADERS,
        "additional_query_parameters": {"token": SECRETS["query"]},
        "additional_body_parameters": {"api_key": SECRETS["body"]},
        "max_retries": 0,
    }
    for call in (
        lambda: client.chat(model="m", messages=HELLO, request_options=options),
        lambda: client.embed(model="m", texts=["a"], input_type="search_query", request_options=options),
        lambda: client.rerank(model="m", query="q", documents=["d"], request_options=options),
    ):
        with suppress(Exception):
            call()


def with_ollama(place: str) -> None:
    ollama = pytest.importorskip(
        "ollama", reason="ollama is not installed: pip install 'spanwise[test-libraries]'"
    )
    client = ollama.Client(host=f"http://user:{SECRETS['password']}@{place}", headers=HEADERS)
    for call in (
        lambda: client.chat(model="m", messages=HELLO),
        lambda: client.embed(model="m", input="hello"),
    ):
        with suppress(Exception):
            call()


def with_bedrock(place: str) -> None:
    boto3 = pytest.importorskip(
        "boto3", reason="boto3 is not installed: pip install 'spanwise[test-libraries]'"
    )
    from botocore.config import Config

    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=f"http://{place}",
        aws_access_key_id=SECRETS["header"],
        aws_secret_access_key=SECRETS["key"],
        aws_session_token=SECRETS["cookie"],
        config=Config(retries={"max_attempts": 1}),
    )
    said = [{"role": "user", "content": [{"text": "hello"}]}]
    with suppress(Exception):
        client.converse(modelId="m", messages=said, requestMetadata={"tenant": "acme"})
    with suppress(Exception):
        client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "hello"}))


LIBRARIES: dict[str, tuple[str, Callable[[str], None]]] = {
    "openai": ("openai", with_openai),
    "azure": ("openai", with_azure),
    "anthropic": ("anthropic", with_anthropic),
    "groq": ("groq", with_groq),
    "mistralai": ("mistralai", with_mistralai),
    "cohere": ("cohere", with_cohere),
    "ollama": ("ollama", with_ollama),
    "bedrock": ("bedrock", with_bedrock),
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("status", [200, 401])
def test_no_credential_reaches_a_span(name: str, status: int, server: Callable[[int], str]) -> None:
    integration, call = LIBRARIES[name]
    with testing.record_spans(integration, scrub=status != 200) as recorder:
        call(server(status))
    assert recorder.spans, f"{name} was not traced: this test would prove nothing"
    for span in recorder.spans:
        shown = repr(span)
        for kind, secret in SECRETS.items():
            assert secret not in shown, f"the {kind} is in {span.name}: {shown}"
