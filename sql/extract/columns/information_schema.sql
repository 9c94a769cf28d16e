-- Every column of the tables in a schema, whatever their case.
-- Parameters: schema.
-- Columns: schema, table, column, type, precision and scale of numerics.
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale
FROM information_schema.columns
WHERE lower(table_schema) = lower(:schema)
ORDER BY table_schema, table_name, ordinal_position
