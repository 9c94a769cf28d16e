-- Every column of the tables in a schema ("main", or the name a file is attached under).
-- Parameters: schema.
-- Columns: schema, table, column, declared type.
SELECT l.schema AS table_schema, l.name AS table_name, c.name AS column_name, c.type AS data_type,
       NULL AS numeric_precision, NULL AS numeric_scale
FROM pragma_table_list AS l
JOIN pragma_table_info(l.name, l.schema) AS c
WHERE lower(l.schema) = lower(:schema)
ORDER BY l.name, c.cid
