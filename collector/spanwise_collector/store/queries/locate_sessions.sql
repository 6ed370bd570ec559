-- The first and last start of the traces of some conversations. Parameters: project_id, conversation_ids.
SELECT toUnixTimestamp64Nano(min(first_start)), toUnixTimestamp64Nano(max(last_start)), count()
FROM trace_times
WHERE project_id = {project_id:String} AND trace_id IN (${members})
