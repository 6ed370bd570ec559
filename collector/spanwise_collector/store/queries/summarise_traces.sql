-- One row a trace of a page. Parameters: project_id, trace_ids (hex); the fragment ${bounds} holds their hours.
-- Cost: the granules of these traces, without payload.
WITH
    members AS
    (
        SELECT *
        FROM spans_current
        WHERE project_id = {project_id:String} AND trace_id IN (${traces}) ${bounds}
    ),
    operation IN ('chat', 'text_completion', 'generate_content') AS is_llm_call
SELECT
    lower(hex(trace_id)),
    -- The root: the earliest span whose parent is not stored; in a ring of parents, the earliest span.
    argMin(
        (name, service, environment, operation, status, span),
        ((trace_id, parent_span_id) IN (SELECT trace_id, span_id FROM members), start, span_id)
    ),
    min(start_ns) AS first_start,
    max(end_ns) - first_start,
    countIf(status = 'error'),
    count(),
    countIf(is_llm_call),
    sum(billed_input_tokens),
    sum(billed_output_tokens),
    sum(billed_cost_usd),
    countIf(is_unpriced),
    max(is_estimated),
    arraySort(groupUniqArrayIf(100)(model, model != '')),
    argMinIf(user_id, (start, span_id), user_id != ''),
    argMinIf(conversation_id, (start, span_id), conversation_id != ''),
    arraySort(groupUniqArrayArray(100)(tags)),
    argMinIf(span, (start, span_id), is_llm_call),
    argMaxIf(span, (start, span_id), is_llm_call)
FROM members
GROUP BY trace_id
