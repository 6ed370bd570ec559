-- Ids of traces as a set that the index can use. Parameters: trace_ids (hex).
SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16)
