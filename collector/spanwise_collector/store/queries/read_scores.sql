-- Scores of some traces, a project's newest otherwise. Parameters: project_id, limit and those of the fragments.
-- Cost: a granule a trace; without traces one pass over the project's scores.
SELECT
    project_id,
    trace,
    span,
    name,
    score_id,
    time_ns,
    kind,
    value,
    label,
    comment,
    source,
    user_id,
    service,
    environment,
    attributes,
    received_ns
FROM scores_current
WHERE project_id = {project_id:String} ${conditions}
ORDER BY time DESC, trace_id, span_id, name, score_id
LIMIT {limit:UInt32}
