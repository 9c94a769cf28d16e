-- The rows of one event's table in a window.
-- Identifiers: columns, table, cursor. Parameters: since, until (half-open).
SELECT {columns}
FROM {table}
WHERE {cursor} >= :since AND {cursor} < :until
