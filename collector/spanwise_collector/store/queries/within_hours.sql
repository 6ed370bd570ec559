-- A condition: spans of some hours, as a set that the index can use. Parameters: hours (Unix seconds).
AND toStartOfHour(start) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
