-- Traces by their status, which is not a span's: "error" when any span failed, else the root's.
-- ${status} is the filter's own expression for it. Parameters: project_id.
SELECT trace_status, count()
FROM
(
    SELECT ${status} AS trace_status
    FROM spans_current
    WHERE project_id = {project_id:String} ${bounds}
    GROUP BY trace_id
    HAVING 1 ${conditions}
)
GROUP BY trace_status
ORDER BY count() DESC, trace_status
