-- A condition: spans of a range. Parameters: edges (two nanoseconds, both included).
AND start >= fromUnixTimestamp64Nano({edges:Array(Int64)}[1], 'UTC')
AND start <= fromUnixTimestamp64Nano({edges:Array(Int64)}[2], 'UTC')
