"""Every key of every dialect and every word of the vocabularies, by its effect on a span's columns.

The lists repeat what the conventions say, not what the tables say: a slip in a table shows here.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spanwise_collector.model import Span

Ingest = Callable[..., Span]
CHAT = {"gen_ai.operation.name": "chat"}
PROPERTIES = "traceloop.association.properties."
TEXT_KEYS = {
    "request_model": "gen_ai.request.model llm.request.model_name embedding.model_name reranker.model_name"
    " llm.model_name",
    "response_model": "gen_ai.response.model llm.response.model_name llm.model_name llm.response.model",
    "response_id": "gen_ai.response.id",
    "conversation_id": "gen_ai.conversation.id session.id"
    f" {PROPERTIES}session_id {PROPERTIES}thread_id {PROPERTIES}chat_id",
    "user_id": f"user.id enduser.id gen_ai.user llm.user {PROPERTIES}user_id",
    "agent_name": "gen_ai.agent.name agent.name",
    "workflow_name": "gen_ai.workflow.name traceloop.workflow.name",
    "tool_name": "gen_ai.tool.name tool.name",
    "tool_call_id": "gen_ai.tool.call.id tool.id",
    "prompt_name": "gen_ai.prompt.name traceloop.prompt.key prompt.id",
    "prompt_version": "gen_ai.prompt.version traceloop.prompt.version traceloop.prompt.version_name"
    " llm.prompt_template.version",
    "error_type": "error.type",
    "tool_arguments": "gen_ai.tool.call.arguments",
    "tool_result": "gen_ai.tool.call.result",
    "input_text": "spanwise.embeddings.input gen_ai.retrieval.query.text reranker.query",
}
COUNT_KEYS = {
    "input_tokens": "gen_ai.usage.input_tokens gen_ai.usage.prompt_tokens llm.token_count.prompt"
    " decision.token_count.input",
    "output_tokens": "gen_ai.usage.output_tokens gen_ai.usage.completion_tokens llm.token_count.completion"
    " decision.token_count.output",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_read_input_tokens"
    " llm.token_count.prompt_details.cache_read llm.token_count.prompt_details.cache_input",
    "cache_write_input_tokens": "gen_ai.usage.cache_creation.input_tokens"
    " gen_ai.usage.cache_creation_input_tokens llm.token_count.prompt_details.cache_write",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens gen_ai.usage.reasoning_tokens"
    " llm.usage.reasoning_tokens llm.token_count.completion_details.reasoning",
}
FINISH_KEYS = (
    "gen_ai.response.finish_reasons gen_ai.response.finish_reason gen_ai.response.stop_reason"
    " llm.response.finish_reason llm.response.stop_reason llm.finish_reason"
)
OPERATIONS = {
    "gen_ai.operation.name": "chat:chat completion:text_completion embedding:embeddings response:chat"
    " llm_request:chat vector_db_retrieve:retrieval execute_task:task own:own",
    "openinference.span.kind": "LLM:chat EMBEDDING:embeddings RETRIEVER:retrieval RERANKER:rerank"
    " TOOL:execute_tool AGENT:invoke_agent GUARDRAIL:guardrail EVALUATOR:evaluate PROMPT:task DECISION:task"
    " UNKNOWN:task CHAIN:invoke_workflow",
    "traceloop.span.kind": "workflow:invoke_workflow task:task agent:invoke_agent tool:execute_tool"
    " unknown:task",
    "llm.request.type": "chat:chat completion:text_completion embedding:embeddings rerank:rerank"
    " unknown:chat",
}
PROVIDERS = (
    "gemini:gcp.gemini google:gcp.gemini google_genai:gcp.gemini googleai:gcp.gemini vertexai:gcp.vertex_ai"
    " vertex_ai:gcp.vertex_ai azure:azure.ai.openai azureopenai:azure.ai.openai az.ai.openai:azure.ai.openai"
    " az.ai.inference:azure.ai.inference aws:aws.bedrock bedrock:aws.bedrock amazon:aws.bedrock"
    " mistralai:mistral_ai mistral:mistral_ai xai:x_ai watsonx:ibm.watsonx.ai moonshot:moonshot_ai"
    " together:together_ai togetherai:together_ai OpenAI:openai"
)
HOSTS = (
    "api.openai.com:openai api.anthropic.com:anthropic api.deepseek.com:deepseek api.groq.com:groq"
    " api.mistral.ai:mistral_ai api.x.ai:x_ai api.cohere.com:cohere api.cohere.ai:cohere"
    " api.perplexity.ai:perplexity openrouter.ai:openrouter api.together.xyz:together_ai"
    " api.fireworks.ai:fireworks"
    " generativelanguage.googleapis.com:gcp.gemini"
)


def pairs(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(field, key) for field, keys in table.items() for key in keys.split()]


def words(text: str) -> list[tuple[str, ...]]:
    return [tuple(each.rsplit(":", 1)) for each in text.split()]


@pytest.mark.parametrize(("field", "key"), pairs(TEXT_KEYS))
def test_names_and_texts(field: str, key: str, ingest: Ingest) -> None:
    span = ingest({"gen_ai.operation.name": "retrieval", key: "value"})
    assert getattr(span, field) == "value"


@pytest.mark.parametrize(("field", "key"), pairs(COUNT_KEYS))
def test_counts(field: str, key: str, ingest: Ingest) -> None:
    assert getattr(ingest({**CHAT, key: 7}), field) == 7


@pytest.mark.parametrize("key", FINISH_KEYS.split())
def test_finish_reasons(key: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: "stop"}).finish_reasons == ["stop"]


@pytest.mark.parametrize("key", ["spanwise.tags", "tag.tags"])
def test_tags(key: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: ["a", "b"]}).tags == ["a", "b"]


@pytest.mark.parametrize("key", ["gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"])
def test_streams(key: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: True}).is_stream
    assert not ingest({**CHAT, key: False}).is_stream


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.latency.time_to_first_token",
    ],
)
def test_time_to_first_chunk(key: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: 0.5}).time_to_first_chunk_ns == 500_000_000


@pytest.mark.parametrize("key", ["rpc.response.status_code", "http.response.status_code", "http.status_code"])
def test_status_codes(key: str, ingest: Ingest) -> None:
    assert [ingest({**CHAT, key: code}).error_type for code in (200, 503)] == ["", "503"]


@pytest.mark.parametrize(
    "key", ["gen_ai.usage.cost", "llm.cost.total", "llm.cost.prompt", "llm.cost.completion"]
)
def test_reported_costs(key: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: 0.5}).reported_cost_usd == Decimal("0.5")


@pytest.mark.parametrize(
    ("key", "word", "operation"),
    [(key, *pair) for key, text in OPERATIONS.items() for pair in words(text)],
)
def test_operations(key: str, word: str, operation: str, ingest: Ingest) -> None:
    assert ingest({key: word}).operation == operation


@pytest.mark.parametrize("key", ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"])
@pytest.mark.parametrize(("word", "provider"), words(PROVIDERS))
def test_providers(key: str, word: str, provider: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, key: word}).provider == provider


@pytest.mark.parametrize(("host", "provider"), words(HOSTS))
def test_hosts(host: str, provider: str, ingest: Ingest) -> None:
    assert ingest({**CHAT, "server.address": host}).provider == provider


@pytest.mark.parametrize(
    "store", ["pinecone", "chroma", "chromadb", "milvus", "qdrant", "weaviate", "marqo", "lancedb"]
)
@pytest.mark.parametrize("verb", ["query", "search", "get", "fetch", "retrieve", "hybrid_search", "scroll"])
def test_searches_of_vector_stores(store: str, verb: str, ingest: Ingest) -> None:
    assert ingest({"db.system": store, "db.operation": verb}).operation == "retrieval"


@pytest.mark.parametrize(
    ("attributes", "dialect"),
    [
        ({"gen_ai.operation.name": "chat"}, "otel_genai"),
        ({"gen_ai.system": "openai", "llm.request.type": "chat"}, "openllmetry"),
        ({"gen_ai.system": "openai", "gen_ai.usage.total_tokens": 3}, "openllmetry"),
        ({"llm.usage.total_tokens": 3}, "openllmetry"),
        ({"traceloop.entity.path": "a"}, "openllmetry"),
        ({"traceloop.entity.version": 1}, "openllmetry"),
        ({"llm.headers": "a"}, "openllmetry"),
        ({"gen_ai.headers": "a"}, "openllmetry"),
        ({"openinference.span.kind": "LLM"}, "openinference"),
        ({"llm.model_name": "m", "llm.request.type": "chat"}, "openinference"),
        *(
            ({key: "503"}, "")
            for key in (
                "server.address",
                "session.id",
                "user.id",
                "enduser.id",
                "error.type",
                "rpc.response.status_code",
                "http.response.status_code",
                "http.status_code",
                "mcp.method.name",
                "db.system",
                "gen_ai.response.finish_reason",
                "openinference.project.name",
            )
        ),
    ],
)
def test_keys_that_tell_the_dialect_and_keys_that_do_not(
    attributes: dict[str, Any], dialect: str, ingest: Ingest
) -> None:
    assert ingest(attributes).dialect == dialect
