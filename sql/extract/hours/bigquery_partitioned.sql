-- How many rows of an event table fall into each hour of the cursor, and a checksum of their ids: if neither changed
-- since an hour was read whole, it need not be read again (BigQuery, partitioned by load time: what was received in
-- the window was not loaded before it, so older partitions are not paid for).
-- Identifiers: table, cursor, id. Parameters: since, until.
-- Columns: hour, rows, checksum.
SELECT TIMESTAMP_TRUNC({cursor}, HOUR) AS hour, COUNT(*) AS row_count, CAST(BIT_XOR(FARM_FINGERPRINT(CAST({id} AS STRING))) AS STRING) AS checksum
FROM {table}
WHERE {cursor} >= :since AND {cursor} < :until
  AND (_PARTITIONTIME IS NULL OR _PARTITIONTIME >= TIMESTAMP_TRUNC(:since, DAY))
GROUP BY 1
ORDER BY 1
