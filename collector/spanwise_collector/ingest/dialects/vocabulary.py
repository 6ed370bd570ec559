"""Words that all dialects share: operations and providers under their many names.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, gen_ai.operation.name and gen_ai.provider.name;
OpenInference span kinds; OpenLLMetry span kinds and request types.
"""

from spanwise import semconv

CHAIN = "_chain"
"""OpenInference's CHAIN: a workflow at the root of a trace, a task below."""

OTEL_OPERATIONS = {
    "completion": semconv.OP_TEXT_COMPLETION,
    "embedding": semconv.OP_EMBEDDINGS,
    "response": semconv.OP_CHAT,
    "llm_request": semconv.OP_CHAT,
    "vector_db_retrieve": semconv.OP_RETRIEVAL,
    "execute_task": semconv.OP_TASK,
}
OPENINFERENCE_KINDS = {
    "llm": semconv.OP_CHAT,
    "embedding": semconv.OP_EMBEDDINGS,
    "retriever": semconv.OP_RETRIEVAL,
    "reranker": semconv.OP_RERANK,
    "tool": semconv.OP_EXECUTE_TOOL,
    "agent": semconv.OP_INVOKE_AGENT,
    "chain": CHAIN,
    "guardrail": semconv.OP_GUARDRAIL,
    "evaluator": semconv.OP_EVALUATE,
    "prompt": semconv.OP_TASK,
    "decision": semconv.OP_TASK,
    "unknown": semconv.OP_TASK,
}
TRACELOOP_KINDS = {
    "workflow": semconv.OP_INVOKE_WORKFLOW,
    "task": semconv.OP_TASK,
    "agent": semconv.OP_INVOKE_AGENT,
    "tool": semconv.OP_EXECUTE_TOOL,
    "unknown": semconv.OP_TASK,
}
REQUEST_TYPES = {
    "chat": semconv.OP_CHAT,
    "completion": semconv.OP_TEXT_COMPLETION,
    "embedding": semconv.OP_EMBEDDINGS,
    "rerank": semconv.OP_RERANK,
    "unknown": semconv.OP_CHAT,
}
MCP_METHODS = {"tools/call": semconv.OP_EXECUTE_TOOL}
VECTOR_OPERATIONS = frozenset({"query", "search", "get", "fetch", "retrieve", "hybrid_search", "scroll"})
VECTOR_DATABASES = frozenset(
    {"pinecone", "chroma", "chromadb", "milvus", "qdrant", "weaviate", "marqo", "lancedb"}
)

PROVIDERS = {
    "gemini": semconv.PROVIDER_GEMINI,
    "google": semconv.PROVIDER_GEMINI,
    "google_genai": semconv.PROVIDER_GEMINI,
    "googleai": semconv.PROVIDER_GEMINI,
    "vertexai": semconv.PROVIDER_VERTEX_AI,
    "vertex_ai": semconv.PROVIDER_VERTEX_AI,
    "azure": semconv.PROVIDER_AZURE_OPENAI,
    "azureopenai": semconv.PROVIDER_AZURE_OPENAI,
    "az.ai.openai": semconv.PROVIDER_AZURE_OPENAI,
    "az.ai.inference": semconv.PROVIDER_AZURE_INFERENCE,
    "aws": semconv.PROVIDER_BEDROCK,
    "bedrock": semconv.PROVIDER_BEDROCK,
    "amazon": semconv.PROVIDER_BEDROCK,
    "mistralai": semconv.PROVIDER_MISTRAL,
    "mistral": semconv.PROVIDER_MISTRAL,
    "xai": semconv.PROVIDER_XAI,
    "watsonx": semconv.PROVIDER_WATSONX,
    "moonshot": semconv.PROVIDER_MOONSHOT,
    "together": semconv.PROVIDER_TOGETHER,
    "togetherai": semconv.PROVIDER_TOGETHER,
}
"""Spellings folded to OpenTelemetry's; compared in lower case without spaces."""
HOSTS = {
    "api.openai.com": semconv.PROVIDER_OPENAI,
    "api.anthropic.com": semconv.PROVIDER_ANTHROPIC,
    "api.deepseek.com": semconv.PROVIDER_DEEPSEEK,
    "api.groq.com": semconv.PROVIDER_GROQ,
    "api.mistral.ai": semconv.PROVIDER_MISTRAL,
    "api.x.ai": semconv.PROVIDER_XAI,
    "api.cohere.com": semconv.PROVIDER_COHERE,
    "api.cohere.ai": semconv.PROVIDER_COHERE,
    "api.perplexity.ai": semconv.PROVIDER_PERPLEXITY,
    "api.together.xyz": semconv.PROVIDER_TOGETHER,
    "api.fireworks.ai": semconv.PROVIDER_FIREWORKS,
    "openrouter.ai": semconv.PROVIDER_OPENROUTER,
    "generativelanguage.googleapis.com": semconv.PROVIDER_GEMINI,
}


def fold_provider(value: object) -> str | None:
    """Returns the canonical name of a provider; an unknown one stays, in lower case without spaces."""
    if not isinstance(value, str) or not value:
        return None
    word = value.lower().replace(" ", "")
    return PROVIDERS.get(word, word) or None


def provider_of_host(value: object) -> str | None:
    """Returns the provider behind a host name, or ``None``."""
    if not isinstance(value, str):
        return None
    host = value.lower()
    if host.endswith(".openai.azure.com"):
        return semconv.PROVIDER_AZURE_OPENAI
    if host.startswith("bedrock-runtime.") and host.endswith(".amazonaws.com"):
        return semconv.PROVIDER_BEDROCK
    if host.endswith("aiplatform.googleapis.com"):
        return semconv.PROVIDER_VERTEX_AI
    return HOSTS.get(host)
