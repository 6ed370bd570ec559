-- Remember that a migration was applied. Parameters: version, name, sha256.
INSERT INTO schema_migrations (version, name, sha256)
SELECT {version:UInt32}, {name:String}, {sha256:String}
