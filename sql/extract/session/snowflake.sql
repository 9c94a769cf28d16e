-- Times without a zone are UTC, so the session compares them so.
ALTER SESSION SET TIMEZONE = 'UTC'
