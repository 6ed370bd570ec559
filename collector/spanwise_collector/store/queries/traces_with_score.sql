-- Traces that were scored under a name, as a set. Parameters: project_id, score.
-- Cost: one pass over three key columns of the project's scores.
SELECT trace_id
FROM scores_current
WHERE project_id = {project_id:String} AND name = {score:String}
