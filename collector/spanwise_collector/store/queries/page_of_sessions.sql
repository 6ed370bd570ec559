-- The ids of a page of conversations, latest activity first. Parameters: project_id, limit, those of the fragments.
SELECT conversation_id, max(start_ns) AS last_start
FROM spans_current
WHERE project_id = {project_id:String} AND conversation_id != '' ${bounds} ${members}
GROUP BY conversation_id
HAVING 1 ${conditions}
ORDER BY last_start DESC, conversation_id DESC
LIMIT {limit:UInt32}
