-- Every column of the tables in a schema, whatever their case; tables outside the cluster and late-binding views
-- included, which information_schema leaves out.
-- Parameters: schema.
-- Columns: schema, table, column, type, precision and scale of numerics.
SELECT table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale
FROM svv_columns
WHERE lower(table_schema) = lower(:schema)
ORDER BY table_schema, table_name, ordinal_position
