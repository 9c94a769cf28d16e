-- The events that tracks names in a window; each has a table of that name.
-- Identifiers: event, tracks, cursor. Parameters: since, until (half-open).
-- Columns: event.
SELECT DISTINCT {event}
FROM {tracks}
WHERE {cursor} >= :since AND {cursor} < :until
ORDER BY 1
