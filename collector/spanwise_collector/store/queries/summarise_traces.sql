-- One row a trace of a page. Parameters: project_id, trace_ids (hex), from, to (nanoseconds that hold all their
-- spans). Cost: the granules of these traces, without payload.
WITH
    arrayMap(id -> toFixedString(unhex(id), 16), {trace_ids:Array(String)}) AS wanted,
    members AS
    (
        SELECT
            trace_id, span_id, parent_span_id, start, duration_ns, name, service, environment, operation, status,
            user_id, conversation_id, tags, if(response_model = '', request_model, response_model) AS used_model,
            is_billable, input_tokens, output_tokens, cost_usd, cost_status, sample_weight
        FROM spans_current
        WHERE project_id = {project_id:String}
            AND trace_id IN wanted
            AND start >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
            AND start <= fromUnixTimestamp64Nano({to:Int64}, 'UTC')
    )
SELECT
    lower(hex(trace_id)),
    -- The root: the earliest span whose parent is not stored; in a ring of parents, the earliest span.
    argMin(
        (name, service, environment, operation, status, lower(hex(span_id))),
        ((trace_id, parent_span_id) IN (SELECT trace_id, span_id FROM members), start, span_id)
    ) AS root,
    toUnixTimestamp64Nano(min(start)) AS first_start,
    max(toUnixTimestamp64Nano(start) + greatest(duration_ns, 0)) - first_start,
    countIf(status = 'error'),
    count(),
    countIf(operation IN ('chat', 'text_completion', 'generate_content')),
    sumIf(if(sample_weight = 1, input_tokens, toInt64(round(input_tokens * sample_weight))), is_billable),
    sumIf(if(sample_weight = 1, output_tokens, toInt64(round(output_tokens * sample_weight))), is_billable),
    sumIf(if(sample_weight = 1, cost_usd, toDecimal64(toFloat64(cost_usd) * sample_weight, 12)), is_billable),
    countIf(is_billable AND cost_status = 'unpriced'),
    countIf(is_billable AND sample_weight != 1) > 0,
    arraySort(groupUniqArrayIf(100)(used_model, used_model != '')),
    argMinIf(user_id, (start, span_id), user_id != ''),
    argMinIf(conversation_id, (start, span_id), conversation_id != ''),
    arraySort(groupUniqArrayArray(100)(tags))
FROM members
GROUP BY trace_id
