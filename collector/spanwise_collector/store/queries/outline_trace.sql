-- The tree rows of one trace in order of start, no payload. Parameters: project_id, trace_id, from, to.
SELECT
    lower(hex(span_id)),
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))),
    name,
    operation,
    toUnixTimestamp64Nano(start),
    greatest(duration_ns, 0),
    time_to_first_chunk_ns,
    status,
    service,
    if(response_model = '', request_model, response_model),
    input_tokens,
    output_tokens,
    cost_usd,
    cost_status,
    is_billable
FROM spans_current
WHERE project_id = {project_id:String}
    AND trace_id = toFixedString(unhex({trace_id:String}), 16)
    AND start >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
    AND start <= fromUnixTimestamp64Nano({to:Int64}, 'UTC')
ORDER BY start, span_id
