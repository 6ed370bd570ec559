-- Sums over matching traces. Parameters: project_id and those of the fragments.
-- Cost: one pass over the key, usage and filtered columns of the time range.
SELECT
    count(),
    countIf(errors > 0),
    sum(spans),
    sum(input_tokens_sum),
    sum(output_tokens_sum),
    sum(cached_sum),
    sum(reasoning_sum),
    sum(cost_sum),
    sum(unpriced),
    max(estimated)
FROM
(
    SELECT
        count() AS spans,
        countIf(status = 'error') AS errors,
        sum(billed_input_tokens) AS input_tokens_sum,
        sum(billed_output_tokens) AS output_tokens_sum,
        sum(billed_cached_input_tokens) AS cached_sum,
        sum(billed_reasoning_output_tokens) AS reasoning_sum,
        sum(billed_cost_usd) AS cost_sum,
        countIf(is_unpriced) AS unpriced,
        max(is_estimated) AS estimated
    FROM spans_current
    WHERE project_id = {project_id:String} ${bounds}
    GROUP BY trace_id
    HAVING 1 ${conditions}
)
