-- The customers for whom the runs in scope sent most; "kinds": how many there are in all.
-- Parameters as in sent_by_hour.sql, and :top.
SELECT l.customer_id AS name, count(*) AS events, count(*) OVER () AS kinds
FROM sent_log AS l
WHERE l.number BETWEEN :low AND :high
  AND l.run IN (
    SELECT epoch FROM runs
    WHERE pipeline = :pipeline AND account = :account
      AND epoch BETWEEN :first AND :last AND started BETWEEN :since AND :until
  )
GROUP BY l.customer_id
ORDER BY count(*) DESC, l.customer_id
LIMIT :top
