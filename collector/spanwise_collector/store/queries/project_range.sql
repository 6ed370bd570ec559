-- The first and last start of a project, nanoseconds. Parameters: project_id. Cost: two columns of trace_times.
SELECT toUnixTimestamp64Nano(min(first_start)), toUnixTimestamp64Nano(max(last_start)), count()
FROM trace_times
WHERE project_id = {project_id:String}
