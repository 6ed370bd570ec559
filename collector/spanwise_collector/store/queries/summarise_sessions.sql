-- One row a conversation: sums over all spans of its traces, also those that do not carry its id.
-- Parameters: project_id, conversation_ids, from, to (nanoseconds that hold all of it).
SELECT
    conversation,
    arraySort(groupUniqArrayArray(100)(users)),
    min(first_start),
    max(last_end),
    count(),
    countIf(errors > 0),
    sum(input_tokens_sum),
    sum(output_tokens_sum),
    sum(cost_sum),
    sum(unpriced),
    arraySort(groupUniqArrayArray(100)(models)),
    argMin(trace_of_row, (first_start, trace_of_row)),
    argMax(trace_of_row, (first_start, trace_of_row))
FROM
(
    SELECT
        lower(hex(trace_id)) AS trace_of_row,
        groupUniqArrayIf(conversation_id, conversation_id IN (SELECT arrayJoin({conversation_ids:Array(String)})))
            AS conversations,
        groupUniqArrayIf(100)(user_id, user_id != '') AS users,
        groupUniqArrayIf(100)(model, model != '') AS models,
        min(start_ns) AS first_start,
        max(end_ns) AS last_end,
        countIf(status = 'error') AS errors,
        sum(billed_input_tokens) AS input_tokens_sum,
        sum(billed_output_tokens) AS output_tokens_sum,
        sum(billed_cost_usd) AS cost_sum,
        countIf(is_unpriced) AS unpriced
    FROM spans_current
    WHERE project_id = {project_id:String}
        AND trace_id IN (${members})
        AND start >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
        AND start <= fromUnixTimestamp64Nano({to:Int64}, 'UTC')
    GROUP BY trace_id
)
ARRAY JOIN conversations AS conversation
GROUP BY conversation
