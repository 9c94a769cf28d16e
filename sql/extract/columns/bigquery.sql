-- Every column of the tables in a data set; among them _PARTITIONTIME where a table is partitioned by when its rows
-- were loaded.
-- Identifiers: schema. Parameters: schema (the data set's own name).
-- Columns: schema, table, column, type (with precision and scale, if any are declared).
SELECT :schema AS table_schema, table_name, column_name, data_type, NULL AS numeric_precision, NULL AS numeric_scale
FROM {schema}.INFORMATION_SCHEMA.COLUMNS
ORDER BY table_name, ordinal_position
