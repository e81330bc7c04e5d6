-- title: What arrived
-- purpose: Counts events, requests that AWS WAF logged, those that it blocked, and characters, by account, region and log group, and says when the first and the last event was written.
WITH counted AS (
  SELECT DISTINCT id, time, account, region, log_group, length(message) AS characters,
    IF(log_group LIKE 'aws-waf-logs-%', json_extract_scalar(message, '$.action')) AS action
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
)
SELECT
  account, region, log_group, count(*) AS events, count(action) AS requests, count(IF(action = 'BLOCK', 1)) AS blocked,
  sum(characters) AS characters, min(time) AS first_event, max(time) AS last_event
FROM counted
GROUP BY account, region, log_group
ORDER BY events DESC, account, region, log_group
LIMIT 5000
