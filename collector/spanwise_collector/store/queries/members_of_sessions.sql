-- Traces with a span of some conversations, as a set. Parameters: project_id, conversation_ids.
SELECT trace_id
FROM spans_current
WHERE project_id = {project_id:String} AND conversation_id IN (SELECT arrayJoin({conversation_ids:Array(String)}))
