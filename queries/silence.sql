-- title: Silence
-- purpose: Says when each log group of an account and region wrote its last event: the longest silence first. What wrote none is not in it.
WITH written AS (
  SELECT DISTINCT id, time, account, region, log_group
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
)
SELECT account, region, log_group, count(*) AS events, max(time) AS last_event
FROM written
GROUP BY account, region, log_group
ORDER BY last_event, account, region, log_group
