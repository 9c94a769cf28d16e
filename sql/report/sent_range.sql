-- The numbers of the sent log between which every usage event sent in a stretch of time lies.
-- :since, :until: microseconds since 1970.
SELECT min(first_number) AS low, max(last_number) AS high
FROM sent_segments
WHERE rows > 0 AND last_sent >= :since AND first_sent <= :until
