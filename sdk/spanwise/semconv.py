"""The shared vocabulary: attribute keys and enum values, as plain strings.

OpenTelemetry GenAI semantic conventions 1.41.1 and the additions that OpenTelemetry's own GenAI
instrumentation already ships (``cache_write``, ``reasoning.level``, modality token counts). Keys of our own
start with ``spanwise.``. This module imports nothing, so that the collector can use it too.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ and the GenAI semantic conventions repository.
"""

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1"

# --- operation, provider -------------------------------------------------------------------------------
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
OUTPUT_TYPE = "gen_ai.output.type"

OP_CHAT = "chat"
OP_TEXT_COMPLETION = "text_completion"
OP_GENERATE_CONTENT = "generate_content"
OP_EMBEDDINGS = "embeddings"
OP_RETRIEVAL = "retrieval"
OP_RERANK = "rerank"
OP_EXECUTE_TOOL = "execute_tool"
OP_CREATE_AGENT = "create_agent"
OP_INVOKE_AGENT = "invoke_agent"
OP_INVOKE_WORKFLOW = "invoke_workflow"
OP_TASK = "task"
OP_GUARDRAIL = "guardrail"
OP_EVALUATE = "evaluate"

INFERENCE_OPERATIONS = frozenset({OP_CHAT, OP_TEXT_COMPLETION, OP_GENERATE_CONTENT})
"""Operations in which a model writes something."""

BILLABLE_OPERATIONS = frozenset({OP_CHAT, OP_TEXT_COMPLETION, OP_GENERATE_CONTENT, OP_EMBEDDINGS, OP_RERANK})
"""Operations that a provider charges for. Agents and workflows only repeat their children's usage."""

PROVIDER_OPENAI = "openai"
PROVIDER_ANTHROPIC = "anthropic"
PROVIDER_AZURE_OPENAI = "azure.ai.openai"
PROVIDER_AZURE_INFERENCE = "azure.ai.inference"
PROVIDER_BEDROCK = "aws.bedrock"
PROVIDER_COHERE = "cohere"
PROVIDER_DEEPSEEK = "deepseek"
PROVIDER_GEMINI = "gcp.gemini"
PROVIDER_VERTEX_AI = "gcp.vertex_ai"
PROVIDER_GROQ = "groq"
PROVIDER_MISTRAL = "mistral_ai"
PROVIDER_PERPLEXITY = "perplexity"
PROVIDER_XAI = "x_ai"
PROVIDER_MOONSHOT = "moonshot_ai"
PROVIDER_WATSONX = "ibm.watsonx.ai"
# Not on OpenTelemetry's list, which is open: hosts that speak OpenAI's protocol under their own name.
PROVIDER_OPENROUTER = "openrouter"
PROVIDER_TOGETHER = "together_ai"
PROVIDER_FIREWORKS = "fireworks"
PROVIDER_OLLAMA = "ollama"
PROVIDER_VLLM = "vllm"
PROVIDER_AI21 = "ai21"
PROVIDER_LM_STUDIO = "lm_studio"
PROVIDER_LLAMA_CPP = "llama_cpp"
PROVIDER_HUGGINGFACE = "huggingface"
"""Its inference service, and models that run in this process by its libraries."""

# --- request -------------------------------------------------------------------------------------------
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats"
EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"

# --- response ------------------------------------------------------------------------------------------
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
"""Seconds from issuing the request to the first chunk; streams only."""

SERVER_DURATION_TOTAL = "spanwise.server.duration.total"
"""Seconds, as the server tells in its answer (Ollama, Groq): all it took, and what that went to."""
SERVER_DURATION_QUEUE = "spanwise.server.duration.queue"
SERVER_DURATION_LOAD = "spanwise.server.duration.load"
SERVER_DURATION_INPUT = "spanwise.server.duration.input"
SERVER_DURATION_OUTPUT = "spanwise.server.duration.output"

STREAM_INCOMPLETE = "spanwise.stream.incomplete"
"""True when a stream ended before the model finished: the application stopped reading, or it failed."""
KEPT_FOR = "spanwise.kept_for"
"""``error`` on the spans of a trace that sampling would have left out, and that failed."""

USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT_TOKENS = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT_TOKENS = "gen_ai.usage.audio.output_tokens"
USAGE_IMAGE_INPUT_TOKENS = "gen_ai.usage.image.input_tokens"
USAGE_SEARCH_UNITS = "spanwise.usage.search_units"
"""What rerankers are billed by: a query with up to 100 documents. OpenTelemetry has no key for it."""
COHERE_USED_INPUT_TOKENS = "cohere.usage.tokens.input_tokens"
"""What the model read, with all that Cohere adds to a prompt; ``USAGE_INPUT_TOKENS`` is what it bills."""
COHERE_USED_OUTPUT_TOKENS = "cohere.usage.tokens.output_tokens"
COHERE_CACHED_TOKENS = "cohere.usage.cached_tokens"
"""Those of the tokens read that came from a cache; a subset of the tokens used, not of those billed."""

# --- content -------------------------------------------------------------------------------------------
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT = "gen_ai.tool.call.result"
RETRIEVAL_DOCUMENTS = "gen_ai.retrieval.documents"
RETRIEVAL_QUERY_TEXT = "gen_ai.retrieval.query.text"
EMBEDDINGS_INPUT = "spanwise.embeddings.input"
"""JSON array of the texts that were embedded. OpenTelemetry has no key for them."""
EMBEDDINGS_VECTORS = "spanwise.embeddings.vectors"
"""JSON of the vectors in bfloat16, see ``vectors``; only on request."""
STEP_INPUT = "spanwise.input"
"""JSON of what a workflow, agent or step was called with."""
STEP_OUTPUT = "spanwise.output"
"""JSON of what a workflow, agent or step returned."""
STEP_NAME = "spanwise.step.name"
"""What a framework calls the step, where the span is named after something else (a model, a tool)."""
STEP_KIND = "spanwise.step.kind"
"""What a framework calls this kind of step: ``prompt``, ``parser``, ``node``, ``chain`` and so on."""
STEP_INTERRUPTED = "spanwise.step.interrupted"
"""True when a step stopped to be resumed later, as a graph does that asks a person. Not an error."""

CONTENT_KEYS = frozenset(
    {
        INPUT_MESSAGES,
        OUTPUT_MESSAGES,
        SYSTEM_INSTRUCTIONS,
        TOOL_DEFINITIONS,
        TOOL_CALL_ARGUMENTS,
        TOOL_CALL_RESULT,
        RETRIEVAL_DOCUMENTS,
        RETRIEVAL_QUERY_TEXT,
        EMBEDDINGS_INPUT,
        EMBEDDINGS_VECTORS,
        STEP_INPUT,
        STEP_OUTPUT,
    }
)
"""Attributes that may hold what people or models wrote."""

# --- identity, tools, agents, prompts, retrieval ----------------------------------------------------------
CONVERSATION_ID = "gen_ai.conversation.id"
SESSION_ID = "session.id"
USER_ID = "user.id"
AGENT_ID = "gen_ai.agent.id"
AGENT_NAME = "gen_ai.agent.name"
AGENT_DESCRIPTION = "gen_ai.agent.description"
AGENT_VERSION = "gen_ai.agent.version"
AGENT_TOOLS = "spanwise.agent.tools"
"""Names of the tools that an agent may call."""
AGENT_HANDOFFS = "spanwise.agent.handoffs"
"""Names of the agents that an agent may hand over to."""
AGENT_OUTPUT_TYPE = "spanwise.agent.output_type"
HANDOFF_FROM = "spanwise.handoff.from"
HANDOFF_TO = "spanwise.handoff.to"
GUARDRAIL_TRIGGERED = "spanwise.guardrail.triggered"
WORKFLOW_NAME = "gen_ai.workflow.name"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_DESCRIPTION = "gen_ai.tool.description"
DATA_SOURCE_ID = "gen_ai.data_source.id"
RETRIEVAL_TOP_K = "gen_ai.retrieval.top_k"
MLFLOW_RUN_ID = "spanwise.mlflow.run.id"
MLFLOW_RUN_NAME = "spanwise.mlflow.run.name"
MLFLOW_RUN_URL = "spanwise.mlflow.run.url"
MLFLOW_EXPERIMENT_ID = "spanwise.mlflow.experiment.id"
WANDB_RUN_ID = "spanwise.wandb.run.id"
WANDB_RUN_NAME = "spanwise.wandb.run.name"
WANDB_RUN_URL = "spanwise.wandb.run.url"
WANDB_PROJECT = "spanwise.wandb.project"
WANDB_ENTITY = "spanwise.wandb.entity"
MODEL_REVISION = "spanwise.model.revision"
"""Commit on the Hugging Face Hub of the model that runs in this process."""
INFERENCE_PROVIDER = "huggingface.inference_provider"
"""Whom Hugging Face's router had answer."""
DB_SYSTEM_NAME = "db.system.name"
DB_OPERATION_NAME = "db.operation.name"
DB_COLLECTION_NAME = "db.collection.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION_BATCH_SIZE = "db.operation.batch.size"
"""Number of queries in one call, where there are at least two."""
DB_RESPONSE_RETURNED_ROWS = "db.response.returned_rows"
DB_RECORD_COUNT = "spanwise.db.record.count"
"""Number of records that a call writes, fetches or deletes."""
DB_VECTOR_COUNT = "spanwise.db.vector.count"
"""Number of vectors in the index that was searched."""
DB_VECTOR_DIMENSION_COUNT = "spanwise.db.vector.dimension.count"
DB_METRIC = "spanwise.db.metric"
"""What distances or scores are: ``l2``, ``inner_product``, ``cosine``, ..."""
RERANK_MODEL = "spanwise.rerank.model"
"""The model that reorders what a search found, where the store does both in one call."""
RERANK_DOCUMENT_COUNT = "spanwise.rerank.document.count"
"""Number of documents that were to be reordered."""
DB_THRESHOLD = "spanwise.db.threshold"
"""The distance or score that a result has to be within."""
PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
PROMPT_VARIABLE_PREFIX = "gen_ai.prompt.variable."
TAGS = "spanwise.tags"
METADATA_PREFIX = "spanwise.metadata."

# --- scores: OpenTelemetry's evaluation events ------------------------------------------------------------
EVALUATION_EVENT = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_VALUE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"
SCORE_KIND = "spanwise.score.kind"
"""``number``, ``boolean`` or ``category``; OpenTelemetry has only numbers and labels."""
SCORE_ID = "spanwise.score.id"
"""Given by the app: a later score of the same name, place and id replaces the earlier one."""

# --- the Model Context Protocol ----------------------------------------------------------------------------
MCP_METHOD = "mcp.method.name"
MCP_SESSION_ID = "mcp.session.id"
MCP_PROTOCOL_VERSION = "mcp.protocol.version"
MCP_RESOURCE_URI = "mcp.resource.uri"
MCP_TOOL_ERROR = "tool_error"
"""``error.type`` of a tool call that was answered with a failure."""
JSONRPC_REQUEST_ID = "jsonrpc.request.id"
RPC_STATUS_CODE = "rpc.response.status_code"
NETWORK_TRANSPORT = "network.transport"
NETWORK_PROTOCOL_NAME = "network.protocol.name"
CLIENT_ADDRESS = "client.address"
CLIENT_PORT = "client.port"

# --- provider extras, general ---------------------------------------------------------------------------
OPENAI_API_TYPE = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"
AWS_REQUEST_ID = "aws.request_id"
CLOUD_REGION = "cloud.region"
BEDROCK_GUARDRAIL_ID = "aws.bedrock.guardrail.id"
BEDROCK_GUARDRAIL_VERSION = "aws.bedrock.guardrail.version"
BEDROCK_GUARDRAIL_ACTION = "aws.bedrock.guardrail.action"
BEDROCK_GUARDRAIL_POLICIES = "aws.bedrock.guardrail.policies"
"""What a guardrail acted on, each as ``policy:name:action``, without what was matched."""
BEDROCK_KNOWLEDGE_BASE_ID = "aws.bedrock.knowledge_base.id"
BEDROCK_LATENCY_MS = "aws.bedrock.latency_ms"
"""Milliseconds that the model took, as Bedrock measured them."""
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
ERROR_TYPE = "error.type"
ERROR_OTHER = "_OTHER"
EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
DEPLOYMENT_ENVIRONMENT = "deployment.environment.name"
DISTRO_NAME = "telemetry.distro.name"
DISTRO_VERSION = "telemetry.distro.version"

# --- finish reasons ---------------------------------------------------------------------------------------
FINISH_REASONS = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "complete": "stop",
    "completed": "stop",
    "STOP": "stop",
    "length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_call": "tool_call",
    "tool_calls": "tool_call",
    "tool-calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "content-filter": "content_filter",
    "SAFETY": "content_filter",
    "refusal": "content_filter",
    # Bedrock: Converse, Titan, Cohere, AI21
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "CONTENT_FILTERED": "content_filter",
    "FINISH": "stop",
    "FINISHED": "stop",
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "STOP_CRITERIA_MET": "stop",
    "LENGTH": "length",
    "endoftext": "stop",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    # Gemini
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "JAILBREAK": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "error": "error",
    "failed": "error",
    # Cohere
    "TOOL_CALL": "tool_call",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}
"""Providers' finish reasons folded to OpenTelemetry's; a reason not listed stays as it is."""


def fold_finish_reason(reason: str) -> str:
    """Returns OpenTelemetry's word for a provider's finish reason, or the reason itself when unknown."""
    return FINISH_REASONS.get(reason, reason)
