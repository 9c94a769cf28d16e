-- The columns of the user's own query, without its rows.
-- Text: query. Parameters: since, until.
SELECT *
FROM (
{query}
) AS q
WHERE 1 = 0
