-- The most frequent names of scores, by the number of traces that have them; ${traces} is the set of traces.
-- Parameters: project_id, limit. Cost: one pass over the project's scores, and that of the set.
SELECT name AS value, uniq(trace_id) AS traces
FROM scores_current
WHERE project_id = {project_id:String} AND trace_id IN (${traces})
GROUP BY value
ORDER BY traces DESC, value
LIMIT {limit:UInt32}
