-- The tree rows of one trace in order of start, no payload. Parameters: project_id, trace_id; ${bounds} holds
-- its hours. Cost: narrow columns of the granules of one trace.
SELECT
    span,
    parent_span,
    name,
    operation,
    start_ns,
    greatest(duration_ns, 0),
    time_to_first_chunk_ns,
    status,
    service,
    model,
    input_tokens,
    output_tokens,
    cost_usd,
    cost_status,
    is_billable
FROM spans_current
WHERE project_id = {project_id:String}
    AND trace_id = toFixedString(unhex({trace_id:String}), 16)
    ${bounds}
ORDER BY start, span_id
