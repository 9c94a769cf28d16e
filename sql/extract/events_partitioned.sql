-- The rows of one event's table in a window (BigQuery, partitioned by load time). What Segment received at a time was
-- loaded later, so partitions of days before the window hold nothing of it and are not paid for.
-- Identifiers: columns, table, cursor. Parameters: since, until (half-open).
SELECT {columns}
FROM {table}
WHERE {cursor} >= :since AND {cursor} < :until
  AND (_PARTITIONTIME IS NULL OR _PARTITIONTIME >= TIMESTAMP_TRUNC(:since, DAY))
