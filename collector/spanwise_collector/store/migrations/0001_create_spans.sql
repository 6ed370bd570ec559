-- Every span, one wide row each. What is sent twice collapses on the sorting key; the greatest version wins.
CREATE TABLE IF NOT EXISTS spans
(
    -- Identity. Ids are binary: half the bytes of hex in memory and in the key. Hex spellings stand at the end.
    project_id LowCardinality(String),
    trace_id FixedString(16),
    span_id FixedString(8),
    parent_span_id FixedString(8) COMMENT 'eight zero bytes: no parent',
    -- Delta: neighbours in the sorting key share the hour, so differences are small.
    start DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ns Int64 COMMENT 'end - start; negative when the clock of the sender ran backwards or there is no end' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'bit 63: ended; bits 51 to 62: normaliser version; bits 0 to 50: received / 2048 ns' CODEC(ZSTD(1)),
    is_deleted UInt8 COMMENT '1 on the tombstone of a span that was erased' CODEC(ZSTD(1)),
    received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),

    name LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    status_message String CODEC(ZSTD(1)),
    trace_state String CODEC(ZSTD(1)),
    flags UInt32 CODEC(ZSTD(1)),
    scope_name LowCardinality(String) CODEC(ZSTD(1)),
    scope_version LowCardinality(String) CODEC(ZSTD(1)),
    resource_schema_url LowCardinality(String) CODEC(ZSTD(1)),
    scope_schema_url LowCardinality(String) CODEC(ZSTD(1)),
    dropped_attributes_count UInt32 CODEC(ZSTD(1)),
    dropped_events_count UInt32 CODEC(ZSTD(1)),
    dropped_links_count UInt32 CODEC(ZSTD(1)),

    service LowCardinality(String) CODEC(ZSTD(1)),
    service_version LowCardinality(String) CODEC(ZSTD(1)),
    environment LowCardinality(String) CODEC(ZSTD(1)),
    dialect LowCardinality(String) CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    request_model LowCardinality(String) CODEC(ZSTD(1)),
    response_model LowCardinality(String) CODEC(ZSTD(1)),
    response_id String CODEC(ZSTD(1)),
    conversation_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    agent_name LowCardinality(String) CODEC(ZSTD(1)),
    workflow_name LowCardinality(String) CODEC(ZSTD(1)),
    tool_name LowCardinality(String) CODEC(ZSTD(1)),
    tool_call_id String CODEC(ZSTD(1)),
    prompt_name LowCardinality(String) CODEC(ZSTD(1)),
    prompt_version LowCardinality(String) CODEC(ZSTD(1)),
    tags Array(LowCardinality(String)) CODEC(ZSTD(1)),
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    finish_reasons Array(LowCardinality(String)) CODEC(ZSTD(1)),
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    is_stream Bool CODEC(ZSTD(1)),

    -- Null is "unknown", which is not 0.
    time_to_first_chunk_ns Nullable(Int64) CODEC(ZSTD(1)),
    input_tokens Nullable(Int64) CODEC(ZSTD(1)),
    output_tokens Nullable(Int64) CODEC(ZSTD(1)),
    cached_input_tokens Nullable(Int64) CODEC(ZSTD(1)),
    cache_write_input_tokens Nullable(Int64) CODEC(ZSTD(1)),
    reasoning_output_tokens Nullable(Int64) CODEC(ZSTD(1)),

    sample_weight Float64 CODEC(ZSTD(1)),
    is_billable Bool CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    reported_cost_usd Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    cost_status LowCardinality(String) CODEC(ZSTD(1)),
    price_source LowCardinality(String) CODEC(ZSTD(1)),
    normaliser_version UInt16 CODEC(ZSTD(1)),

    -- What people wrote and models answered: most of the bytes, read only for the spans that are shown.
    -- The embedded engine is told to compress new parts lightly and merged ones with ZSTD(3); a server always does.
    input_messages String CODEC(${text_codec}),
    output_messages String CODEC(${text_codec}),
    tool_definitions String CODEC(${text_codec}),
    tool_arguments String CODEC(${text_codec}),
    tool_result String CODEC(${text_codec}),
    documents String CODEC(${text_codec}),
    input_text String CODEC(${text_codec}),
    output_text String CODEC(${text_codec}),

    -- Raw attributes whose value, type included, stands in a column above: only their keys, one a line.
    -- A statement that changes such a column must leave the attribute behind, or it will read as changed, too.
    promoted LowCardinality(String) CODEC(ZSTD(1)),
    -- All others, each value in the map of its type, so that it comes back as it was sent.
    -- attributes_json holds the rest: arrays, nested maps, bytes, empty values, integers beyond 64 bits.
    attributes_string Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attributes_int Map(LowCardinality(String), Int64) CODEC(ZSTD(1)),
    attributes_float Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    attributes_bool Map(LowCardinality(String), Bool) CODEC(ZSTD(1)),
    attributes_json Map(LowCardinality(String), String) CODEC(ZSTD(1)),

    -- A process sends the same resource with each span: one dictionary entry instead of a map a row.
    resource LowCardinality(String) COMMENT 'typed JSON' CODEC(ZSTD(1)),
    scope_attributes LowCardinality(String) COMMENT 'typed JSON' CODEC(ZSTD(1)),
    events String COMMENT 'typed JSON' CODEC(${text_codec}),
    links String COMMENT 'typed JSON' CODEC(${text_codec}),

    -- A user's or a conversation's spans lie together in time: most granules can be left out.
    INDEX conversation_index conversation_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX user_index user_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
-- The hour before the trace id: a time range reads few granules, and a trace lies together within its hours.
-- Nothing in the key may change when a span is sent again: a sender that moved a start into another hour would
-- make another span. OTLP senders repeat the same bytes, and a span's start is set once.
ORDER BY (project_id, toStartOfHour(start), trace_id, span_id)
SETTINGS
    -- A page shows fifty traces that lie apart: each costs a granule, and rows are wide (8192 would be 18 MB).
    -- Measured over a million spans: previews of traces spread over a month 142 ms at 8192, 76 ms at 1024.
    index_granularity = 1024,
    -- An insert writes one file of all columns instead of 140: measured 19 instead of 29 us of CPU a row.
    min_bytes_for_wide_part = 67108864,
    -- Retention drops whole months instead of rewriting parts.
    ttl_only_drop_parts = 1;

-- The one way to read spans: FINAL, so that a span sent twice counts once in every number, merged or not.
-- What is billed is counted here and nowhere else: agents carry their children's usage and are not billable,
-- and a sampled span stands for as many as its weight says.
CREATE VIEW IF NOT EXISTS spans_current AS
SELECT
    *,
    lower(hex(trace_id)) AS trace,
    lower(hex(span_id)) AS span,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span,
    toUnixTimestamp64Nano(start) AS start_ns,
    toUnixTimestamp64Nano(start) + greatest(duration_ns, 0) AS end_ns,
    if(response_model = '', request_model, response_model) AS model,
    is_billable AND cost_status = 'unpriced' AS is_unpriced,
    is_billable AND sample_weight != 1 AS is_estimated,
    if(is_billable, if(sample_weight = 1, cost_usd, toDecimal64(toFloat64(cost_usd) * sample_weight, 12)), NULL)
        AS billed_cost_usd,
    if(is_billable, if(sample_weight = 1, input_tokens, toInt64(round(input_tokens * sample_weight))), NULL)
        AS billed_input_tokens,
    if(is_billable, if(sample_weight = 1, output_tokens, toInt64(round(output_tokens * sample_weight))), NULL)
        AS billed_output_tokens,
    if(is_billable, if(sample_weight = 1, cached_input_tokens, toInt64(round(cached_input_tokens * sample_weight))), NULL)
        AS billed_cached_input_tokens,
    if(is_billable, if(sample_weight = 1, reasoning_output_tokens, toInt64(round(reasoning_output_tokens * sample_weight))), NULL)
        AS billed_reasoning_output_tokens
FROM spans FINAL;
