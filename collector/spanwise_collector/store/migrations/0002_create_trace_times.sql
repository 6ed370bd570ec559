-- Where in time a trace lies, to read one whose time is unknown without searching every hour.
-- Minimum and maximum do not change when the same span arrives again, so resends are safe here without FINAL.
CREATE TABLE IF NOT EXISTS trace_times
(
    project_id LowCardinality(String),
    trace_id FixedString(16),
    first_start SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    last_start SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (project_id, trace_id)
-- Always read by trace id: small granules, since one trace is a few rows.
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS trace_times_from_spans TO trace_times AS
SELECT project_id, trace_id, min(start) AS first_start, max(start) AS last_start
FROM spans
GROUP BY project_id, trace_id;
