"""``capture_embeddings=True``: the vectors of each service's answer, through its own client."""

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from cassettes import made_up
from loopback import Loopback
from span_memory import traced

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the clients' own parts
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
KEY = "spanwise.embeddings.vectors"
VECTORS = [[0.5, -2.0, 0.25], [1.0, 0.0, -0.125]]  # exact in bfloat16
OPENAI_STYLE = {
    "object": "list",
    "id": "e1",
    "model": "e-1",
    "data": [{"object": "embedding", "index": n, "embedding": each} for n, each in enumerate(VECTORS)],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}


def bedrock(library: Any, url: str) -> None:
    client = library.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    answer = client.invoke_model(modelId="cohere.embed-v3", body=json.dumps({"texts": ["a", "b"]}))
    answer["body"].read()


def google_genai(library: Any, url: str) -> None:
    client = library.Client(api_key="k", http_options={"base_url": url, "api_version": "v1beta"})
    client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])


def mistralai(library: Any, url: str) -> None:
    library.Mistral(api_key="k", server_url=url).embeddings.create(model="e", inputs=["a", "b"])


def together(library: Any, url: str) -> None:
    library.Together(api_key="k", base_url=url).embeddings.create(model="e", input=["a", "b"])


def pinecone(library: Any, url: str) -> None:
    inference = library.Pinecone(api_key="k", host=url).inference
    inference.embed("multilingual-e5-large", ["a", "b"], {"input_type": "passage"})


SERVICES = {
    "bedrock": (
        bedrock,
        "boto3",
        "/model/cohere.embed-v3/invoke",
        {"id": "x", "texts": ["a", "b"], "embeddings": VECTORS, "response_type": "embeddings_floats"},
    ),
    "google_genai": (
        google_genai,
        "google.genai",
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        {"embeddings": [{"values": each} for each in VECTORS]},
    ),
    "mistralai": (mistralai, "mistralai.client", "/v1/embeddings", OPENAI_STYLE),
    "together": (together, "together", "/v1/embeddings", OPENAI_STYLE),
    "pinecone": (
        pinecone,
        "pinecone",
        "/embed",
        {
            "model": "multilingual-e5-large",
            "vector_type": "dense",
            "data": [{"values": each, "vector_type": "dense"} for each in VECTORS],
            "usage": {"total_tokens": 9},
        },
    ),
}


def numbers(part: dict[str, Any]) -> list[list[float]]:
    """Returns packed vectors as lists: a bfloat16 is the upper half of a float32."""
    raw = base64.b64decode(part["content"])
    halves = struct.unpack(f"<{len(raw) // 2}H", raw)
    flat = [struct.unpack("<f", struct.pack("<I", half << 16))[0] for half in halves]
    width = part["shape"][1]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


@pytest.mark.parametrize("name", SERVICES)
def test_vectors_of_an_answer(loopback: Loopback, name: str) -> None:
    ask: Callable[[Any, str], None]
    ask, module, path, answer = SERVICES[name]
    library = pytest.importorskip(module, reason="not installed: pip install 'spanwise[test-libraries]'")
    url = loopback.put(made_up(f"vectors-{name}", path, answer))
    with traced((name,), capture_embeddings=True) as memory:
        ask(library, url)
        (span,) = memory.take()
    assert span["operation"] == "embeddings"
    assert numbers(span["attributes"][KEY]) == VECTORS
    with traced((name,)) as memory:
        ask(library, url)
        (span,) = memory.take()
    assert KEY not in span["attributes"], "only on request"
