-- Whether the engine answers.
SELECT 1
