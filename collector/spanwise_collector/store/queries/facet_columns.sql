-- The most frequent values of several columns, by the number of traces that have them. ${columns} comes from the
-- allow-list; "which" has a bit for every column that is NOT the row's. Parameters: project_id, limit.
-- uniq counts exactly up to 65,536 traces a value and within 1 % beyond, in half the time of uniqExact.
SELECT which, value, traces
FROM
(
    SELECT GROUPING(${columns}) AS which, concat(${texts}) AS value, uniq(trace_id) AS traces
    FROM spans_current
    WHERE project_id = {project_id:String} ${bounds} ${members}
    GROUP BY GROUPING SETS (${sets})
)
WHERE value != ''
ORDER BY which, traces DESC, value
LIMIT {limit:UInt32} BY which
