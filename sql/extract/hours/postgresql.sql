-- How many rows of an event table fall into each hour of the cursor, and a checksum of their ids: if neither changed
-- since an hour was read whole, it need not be read again.
-- Identifiers: table, cursor, id. Parameters: since, until.
-- Columns: hour, rows, checksum.
SELECT date_trunc('hour', {cursor}) AS hour, COUNT(*) AS row_count, CAST(SUM(hashtextextended(CAST({id} AS text), 0)) AS text) AS checksum
FROM {table}
WHERE {cursor} >= :since AND {cursor} < :until
GROUP BY 1
ORDER BY 1
