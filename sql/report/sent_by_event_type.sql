-- The event types of which the runs in scope sent most; "kinds": how many there are in all.
-- Parameters as in sent_by_hour.sql, and :top.
SELECT t.text AS name, counted.events, counted.kinds
FROM (
  SELECT l.event_type, count(*) AS events, count(*) OVER () AS kinds
  FROM sent_log AS l
  WHERE l.number BETWEEN :low AND :high
    AND l.run IN (
      SELECT epoch FROM runs
      WHERE pipeline = :pipeline AND account = :account
        AND epoch BETWEEN :first AND :last AND started BETWEEN :since AND :until
    )
  GROUP BY l.event_type
) AS counted
LEFT JOIN labels AS t ON t.label = counted.event_type
ORDER BY counted.events DESC, t.text
LIMIT :top
