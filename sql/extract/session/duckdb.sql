-- Times without a zone are UTC, so the session compares them so.
SET TimeZone = 'UTC'
