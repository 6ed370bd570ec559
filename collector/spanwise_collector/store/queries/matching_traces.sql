-- Traces that match a filter, as a set for another query. Parameters: project_id and those of the fragments.
SELECT trace_id
FROM spans_current
WHERE project_id = {project_id:String} ${bounds}
GROUP BY trace_id
HAVING 1 ${conditions}
