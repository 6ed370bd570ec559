-- The ids of a page of traces, newest first: no payload. Parameters: project_id, limit and those of the
-- fragments. Cost: one pass over the key and the filtered columns of the time range.
SELECT lower(hex(trace_id)), min(start_ns) AS first_start
FROM spans_current
WHERE project_id = {project_id:String} ${bounds}
GROUP BY trace_id
HAVING 1 ${conditions}
ORDER BY first_start DESC, trace_id DESC
LIMIT {limit:UInt32}
