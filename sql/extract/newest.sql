-- The newest cursor of a table: how far the warehouse has got.
-- Identifiers: cursor, table.
-- Columns: the cursor, or null in an empty table.
SELECT MAX({cursor})
FROM {table}
