"""Which module of a library, once imported, makes its integration worth importing.

A table of plain strings, so that ``instrument()`` costs an app nothing for libraries it does not use. A test
holds it equal to the declarations. A declaration that is missing here works, but is imported by every app.
"""

LIBRARIES = {
    "ai21": "ai21",
    "anthropic": "anthropic",
    "bedrock": "botocore",
    "chromadb": "chromadb",
    "cohere": "cohere",
    "faiss": "faiss",
    "google_genai": "google.genai",
    "groq": "groq",
    "huggingface_hub": "huggingface_hub",
    "langchain": "langchain_core",
    "langgraph": "langgraph.pregel",
    "litellm": "litellm",
    "llama_index": "llama_index.core.instrumentation",
    "mcp": "mcp",
    "mistralai": "mistralai.client",
    "ollama": "ollama",
    "openai": "openai",
    "openai_agents": "agents",
    "pinecone": "pinecone",
    "pydantic_ai": "pydantic_ai",
    "qdrant": "qdrant_client",
    "replicate": "replicate",
    "sentence_transformers": "sentence_transformers",
    "together": "together",
    "transformers": "transformers",
}
"""Name of the integration (and of its file) -> ``Integration.module``."""
