-- Sums over matching traces. ${members} keeps their spans, where a filter has more than a time range.
-- Parameters: project_id and those of the fragments. Cost: one pass over the key and the usage columns.
SELECT
    uniqExact(trace_id),
    uniqExactIf(trace_id, status = 'error'),
    count(),
    sum(billed_input_tokens),
    sum(billed_output_tokens),
    sum(billed_cached_input_tokens),
    sum(billed_reasoning_output_tokens),
    sum(billed_cost_usd),
    countIf(is_unpriced),
    max(is_estimated)
FROM spans_current
WHERE project_id = {project_id:String} ${bounds} ${members}
