-- How many rows of an event table fall into each hour of the cursor, and what tells their ids (SQLite has no checksum): if neither changed
-- since an hour was read whole, it need not be read again.
-- Identifiers: table, cursor, id. Parameters: since, until.
-- Columns: hour, rows, checksum.
SELECT strftime('%Y-%m-%dT%H:00:00Z', {cursor}) AS hour, COUNT(*) AS row_count, MIN({id}) || ' ' || MAX({id}) || ' ' || SUM(LENGTH({id})) AS checksum
FROM {table}
WHERE {cursor} >= :since AND {cursor} < :until
GROUP BY 1
ORDER BY 1
