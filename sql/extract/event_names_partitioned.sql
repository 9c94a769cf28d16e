-- The events that tracks names in a window (BigQuery, partitioned by load time: what was received in the window was
-- not loaded before it, so older partitions are not paid for).
-- Identifiers: event, tracks, cursor. Parameters: since, until (half-open).
-- Columns: event.
SELECT DISTINCT {event}
FROM {tracks}
WHERE {cursor} >= :since AND {cursor} < :until
  AND (_PARTITIONTIME IS NULL OR _PARTITIONTIME >= TIMESTAMP_TRUNC(:since, DAY))
ORDER BY 1
