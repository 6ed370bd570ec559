-- Judgements of traces and spans: feedback, evaluations, human reviews. They come seconds or months after what
-- they judge, hence no partition by their time: one score that is sent again later must meet its first version.
CREATE TABLE IF NOT EXISTS scores
(
    project_id LowCardinality(String),
    trace_id FixedString(16),
    span_id FixedString(8) COMMENT 'eight zero bytes: the whole trace',
    name LowCardinality(String),
    score_id String COMMENT 'given by the sender, so that a later one replaces it, else made of all its fields' CODEC(ZSTD(1)),
    time DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    received DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    is_deleted UInt8 CODEC(ZSTD(1)),

    kind LowCardinality(String) COMMENT 'number, boolean or category' CODEC(ZSTD(1)),
    value Nullable(Float64) COMMENT 'null: a category; booleans are 1 and 0' CODEC(ZSTD(1)),
    label LowCardinality(String) CODEC(ZSTD(1)),
    comment String CODEC(${text_codec}),

    source LowCardinality(String) COMMENT 'api, or the instrumentation scope that sent it' CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    environment LowCardinality(String) CODEC(ZSTD(1)),
    attributes String COMMENT 'typed JSON of what else was sent' CODEC(ZSTD(1)),

    INDEX time_index time TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(received, is_deleted)
-- A trace's scores lie together: they are read with it.
ORDER BY (project_id, trace_id, span_id, name, score_id)
SETTINGS index_granularity = 1024;

-- The one way to read scores: what was sent twice, or replaced, counts once.
CREATE VIEW IF NOT EXISTS scores_current AS
SELECT
    *,
    lower(hex(trace_id)) AS trace,
    if(span_id = toFixedString('', 8), '', lower(hex(span_id))) AS span,
    toUnixTimestamp64Nano(time) AS time_ns,
    toUnixTimestamp64Nano(received) AS received_ns
FROM scores FINAL;
