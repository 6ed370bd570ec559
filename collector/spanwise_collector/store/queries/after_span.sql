-- A condition for read_spans: what follows a span in the order of the page. Parameters: after (hex).
AND (start, span_id) >
(
    SELECT (start, span_id)
    FROM spans_current
    WHERE project_id = {project_id:String}
        AND trace_id = toFixedString(unhex({trace_id:String}), 16)
        AND span_id = toFixedString(unhex({after:String}), 8)
        ${bounds}
    LIMIT 1
)
