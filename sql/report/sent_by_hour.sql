-- Usage events sent by the runs in scope, by the hour of the event (hours since 1970) and subscription.
-- :low, :high: numbers of the sent log; :pipeline, :account, :first, :last (epochs), :since, :until: which runs.
SELECT l.event_time / 3600000000 AS hour, s.text AS subscription, count(*) AS events
FROM sent_log AS l
LEFT JOIN labels AS s ON s.label = l.subscription
WHERE l.number BETWEEN :low AND :high
  AND l.run IN (
    SELECT epoch FROM runs
    WHERE pipeline = :pipeline AND account = :account
      AND epoch BETWEEN :first AND :last AND started BETWEEN :since AND :until
  )
GROUP BY l.event_time / 3600000000, s.text
ORDER BY 1, 2
