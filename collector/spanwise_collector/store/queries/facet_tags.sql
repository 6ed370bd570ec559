-- The most frequent tags, by the number of traces that have them. Parameters: project_id, limit.
SELECT arrayJoin(tags) AS value, uniq(trace_id) AS traces
FROM spans_current
WHERE project_id = {project_id:String} AND notEmpty(tags) ${bounds} ${members}
GROUP BY value
ORDER BY traces DESC, value
LIMIT {limit:UInt32}
