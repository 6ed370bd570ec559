-- Matching traces by their start. Parameters: project_id, origin and width (nanoseconds), those of the fragments.
SELECT intDiv(first_start - {origin:Int64}, {width:Int64}) AS bucket, count(), countIf(errors > 0)
FROM
(
    SELECT min(start_ns) AS first_start, countIf(status = 'error') AS errors
    FROM spans_current
    WHERE project_id = {project_id:String} ${bounds}
    GROUP BY trace_id
    HAVING 1 ${conditions}
)
GROUP BY bucket
ORDER BY bucket
