-- Where in time some traces lie, a row each. Parameters: project_id, trace_ids (hex).
-- Cost: a granule of small rows a trace.
SELECT
    lower(hex(trace_id)),
    toUnixTimestamp64Nano(min(first_start)),
    toUnixTimestamp64Nano(max(last_start))
FROM trace_times
WHERE project_id = {project_id:String} AND trace_id IN (${traces})
GROUP BY trace_id
