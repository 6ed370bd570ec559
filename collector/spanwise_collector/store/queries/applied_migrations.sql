-- Which migrations the database has. A handful of rows.
SELECT version, name, sha256
FROM schema_migrations FINAL
ORDER BY version
