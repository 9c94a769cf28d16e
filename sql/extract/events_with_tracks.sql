-- The rows of one event's table in a window, with columns that only tracks has.
-- Identifiers: columns (of e, the event's table, and t, tracks), table, cursor, id, tracks, tracks_id, tracks_cursor.
-- Parameters: since, until (half-open).
SELECT {columns}
FROM {table} AS e
LEFT JOIN {tracks} AS t
  ON t.{tracks_id} = e.{id} AND t.{tracks_cursor} >= :since AND t.{tracks_cursor} < :until
WHERE e.{cursor} >= :since AND e.{cursor} < :until
