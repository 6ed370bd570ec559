-- What the spans that stand for their traces were given and gave back, cut. Parameters: project_id, trace_ids,
-- span_ids (hex), longest (bytes of a text); ${bounds} holds the hours. Cost: a granule with payload a span.
SELECT
    trace,
    span,
    substring(input_messages, 1, {longest:UInt32}),
    substring(output_messages, 1, {longest:UInt32}),
    substring(input_text, 1, {longest:UInt32}),
    substring(output_text, 1, {longest:UInt32})
FROM spans_current
WHERE project_id = {project_id:String}
    AND trace_id IN (${traces})
    AND span_id IN (SELECT toFixedString(unhex(arrayJoin({span_ids:Array(String)})), 8))
    ${bounds}
