-- The columns of the user's own query and their types, without its rows.
-- Text: query. Parameters: since, until.
-- Columns: name, type.
SELECT column_name, column_type
FROM (DESCRIBE SELECT * FROM (
{query}
) AS q) AS described
