-- Vectors of texts, as the calls that embedded them brought them: what drift is measured on. A text that is
-- embedded a thousand times is one row: how often and when stands in the spans.
CREATE TABLE IF NOT EXISTS vectors
(
    project_id LowCardinality(String),
    embedder LowCardinality(String) COMMENT 'model and dimensions: vectors of different ones cannot be compared',
    content_hash FixedString(16) COMMENT 'BLAKE2b of the text; of the vector where no text was recorded',
    received DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    trace_id FixedString(16) COMMENT 'the last call that brought it' CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    item UInt32 COMMENT 'which text of that call, from 0' CODEC(ZSTD(1)),
    -- Two bytes a dimension and no order in them: not worth compressing.
    vector Array(BFloat16) CODEC(NONE),

    INDEX received_index received TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(received)
ORDER BY (project_id, embedder, content_hash)
SETTINGS index_granularity = 1024;

CREATE VIEW IF NOT EXISTS vectors_current AS
SELECT
    *,
    lower(hex(trace_id)) AS trace,
    lower(hex(span_id)) AS span,
    lower(hex(content_hash)) AS content
FROM vectors FINAL;
