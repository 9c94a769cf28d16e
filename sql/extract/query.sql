-- The rows of the user's own query.
-- Text: query. Identifiers: columns. Parameters: since, until.
SELECT {columns}
FROM (
{query}
) AS q
