-- The newest cursor of a table (BigQuery, partitioned by load time): how far the warehouse has got. What is older than
-- Metronome takes is of no interest, and not paid for.
-- Identifiers: cursor, table.
-- Columns: the cursor, or null where nothing was loaded for so long.
SELECT MAX({cursor})
FROM {table}
WHERE _PARTITIONTIME IS NULL OR _PARTITIONTIME >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 35 DAY)
