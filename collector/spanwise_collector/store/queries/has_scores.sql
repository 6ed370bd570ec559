-- Whether a project has any score. Parameters: project_id. Cost: one granule.
SELECT 1
FROM scores
WHERE project_id = {project_id:String}
LIMIT 1
