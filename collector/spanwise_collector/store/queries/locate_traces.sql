-- Where in time some traces lie. Parameters: project_id, trace_ids (hex). Cost: a granule of small rows a trace.
SELECT toUnixTimestamp64Nano(min(first_start)), toUnixTimestamp64Nano(max(last_start)), count()
FROM trace_times
WHERE project_id = {project_id:String}
    AND trace_id IN arrayMap(id -> toFixedString(unhex(id), 16), {trace_ids:Array(String)})
