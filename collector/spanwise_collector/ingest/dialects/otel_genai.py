"""OpenTelemetry GenAI, current and earlier forms, general attributes beside it, and Spanwise's own keys.

Ranks below 100 are the current conventions; earlier forms rank behind the other dialects' own keys.

Source: OpenTelemetry GenAI semantic conventions 1.26 to 1.41.1 and opentelemetry-util-genai 1.3b0.
"""

from spanwise import semconv
from spanwise_collector.ingest.dialects.vocabulary import (
    MCP_METHODS,
    OTEL_OPERATIONS,
    fold_provider,
    provider_of_host,
)
from spanwise_collector.ingest.messages import (
    any_json,
    input_messages,
    json_list,
    otel_messages,
    output_messages,
    system_parts,
)
from spanwise_collector.ingest.rules import (
    Dialect,
    Row,
    count,
    flag,
    money,
    one_of,
    seconds,
    status_code,
    text,
    text_list,
    text_or_json,
)
from spanwise_collector.model import AnyValue


def _mcp_operation(value: AnyValue) -> str | None:
    return MCP_METHODS.get(value) if isinstance(value, str) else None


_IDENTITY: tuple[Row, ...] = (
    (semconv.OPERATION_NAME, "operation", 10, one_of(OTEL_OPERATIONS)),
    ("mcp.method.name", "operation", 80, _mcp_operation),
    (semconv.PROVIDER_NAME, "provider", 10, fold_provider),
    ("gen_ai.system", "provider", 20, fold_provider),
    (semconv.SERVER_ADDRESS, "provider", 90, provider_of_host),
    (semconv.REQUEST_MODEL, "request_model", 10, text),
    (semconv.RESPONSE_MODEL, "response_model", 10, text),
    (semconv.RESPONSE_ID, "response_id", 10, text),
    (semconv.CONVERSATION_ID, "conversation_id", 10, text),
    (semconv.SESSION_ID, "conversation_id", 20, text),
    (semconv.USER_ID, "user_id", 10, text),
    ("enduser.id", "user_id", 30, text),
    (semconv.AGENT_NAME, "agent_name", 10, text),
    (semconv.WORKFLOW_NAME, "workflow_name", 10, text),
    (semconv.TOOL_NAME, "tool_name", 10, text),
    (semconv.TOOL_CALL_ID, "tool_call_id", 10, text),
    (semconv.PROMPT_NAME, "prompt_name", 10, text),
    (semconv.PROMPT_VERSION, "prompt_version", 10, text),
    (semconv.TAGS, "tags", 10, text_list),
    (semconv.ERROR_TYPE, "error_type", 10, text),
    ("rpc.response.status_code", "error_type", 30, status_code),
    ("http.response.status_code", "error_type", 40, status_code),
    ("http.status_code", "error_type", 50, status_code),
)

_ANSWER: tuple[Row, ...] = (
    (semconv.RESPONSE_FINISH_REASONS, "finish_reasons", 10, text_list),
    (semconv.REQUEST_STREAM, "is_stream", 10, flag),
    (semconv.RESPONSE_TIME_TO_FIRST_CHUNK, "time_to_first_chunk_ns", 10, seconds),
    ("gen_ai.client.operation.time_to_first_chunk", "time_to_first_chunk_ns", 20, seconds),
    ("gen_ai.latency.time_to_first_token", "time_to_first_chunk_ns", 30, seconds),
    (semconv.USAGE_INPUT_TOKENS, "input_tokens", 10, count),
    ("gen_ai.usage.prompt_tokens", "input_tokens", 20, count),
    (semconv.USAGE_OUTPUT_TOKENS, "output_tokens", 10, count),
    ("gen_ai.usage.completion_tokens", "output_tokens", 20, count),
    (semconv.USAGE_CACHE_READ_INPUT_TOKENS, "cached_input_tokens", 10, count),
    (semconv.USAGE_CACHE_WRITE_INPUT_TOKENS, "cache_write_input_tokens", 10, count),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write_input_tokens", 20, count),
    (semconv.USAGE_REASONING_OUTPUT_TOKENS, "reasoning_output_tokens", 10, count),
    (semconv.USAGE_AUDIO_INPUT_TOKENS, "_audio_input_tokens", 10, count),
    (semconv.USAGE_AUDIO_OUTPUT_TOKENS, "_audio_output_tokens", 10, count),
    (semconv.OPENAI_RESPONSE_SERVICE_TIER, "_service_tier", 10, text),
    ("gen_ai.openai.response.service_tier", "_service_tier", 20, text),
    ("gen_ai.usage.cost", "reported_cost_usd", 40, money),
)

_CONTENT: tuple[Row, ...] = (
    (semconv.INPUT_MESSAGES, "input_messages", 10, otel_messages),
    (semconv.OUTPUT_MESSAGES, "output_messages", 10, otel_messages),
    (semconv.SYSTEM_INSTRUCTIONS, "_system", 10, system_parts),
    ("gen_ai.prompt", "input_messages", 60, input_messages),
    ("gen_ai.completion", "output_messages", 60, output_messages),
    (semconv.TOOL_DEFINITIONS, "tool_definitions", 10, json_list),
    (semconv.TOOL_CALL_ARGUMENTS, "tool_arguments", 10, any_json),
    (semconv.TOOL_CALL_RESULT, "tool_result", 10, any_json),
    (semconv.RETRIEVAL_DOCUMENTS, "documents", 10, json_list),
    (semconv.RETRIEVAL_QUERY_TEXT, "_query", 10, text_or_json),
    (semconv.EMBEDDINGS_INPUT, "input_text", 10, text_or_json),
    (semconv.STEP_INPUT, "_input", 10, text_or_json),
    (semconv.STEP_OUTPUT, "_output", 10, text_or_json),
)

DIALECT = Dialect(
    name="otel_genai",
    bit=1,
    rows=_IDENTITY + _ANSWER + _CONTENT,
    flat={},
    neutral=frozenset(
        {
            semconv.SERVER_ADDRESS,
            semconv.SESSION_ID,
            semconv.USER_ID,
            "enduser.id",
            semconv.ERROR_TYPE,
            "rpc.response.status_code",
            "http.response.status_code",
            "http.status_code",
            "mcp.method.name",
        }
    ),
)
