-- The traces of one conversation. Parameters: project_id, conversation_id.
-- Cost: the granules that the index on conversation_id leaves.
SELECT DISTINCT lower(hex(trace_id))
FROM spans_current
WHERE project_id = {project_id:String} AND conversation_id = {conversation_id:String}
