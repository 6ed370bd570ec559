-- How tables were created and altered. Parameters: tables. A few rows.
SELECT name, replaceAll(engine_full, '\n', ' ')
FROM system.tables
WHERE database = currentDatabase() AND name IN {tables:Array(String)}
