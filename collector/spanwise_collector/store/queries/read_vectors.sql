-- Vectors of one embedder, newest first. Parameters: project_id, embedder, from, to (nanoseconds), limit.
-- Cost: the project's rows of that embedder; the vectors of the rows returned.
SELECT content, trace, span, item, toUnixTimestamp64Nano(received), arrayMap(x -> toFloat32(x), vector)
FROM vectors_current
WHERE project_id = {project_id:String}
    AND embedder = {embedder:String}
    AND received >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')
    AND received < fromUnixTimestamp64Nano({to:Int64}, 'UTC')
ORDER BY received DESC, content_hash
LIMIT {limit:UInt32}
