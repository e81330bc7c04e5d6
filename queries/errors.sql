-- title: Errors by log group
-- purpose: Counts the events of each log group that speak of an error, without the logs of AWS WAF.
WITH counted AS (
  SELECT DISTINCT
    id, time, account, region, log_group,
    regexp_like(lower(message), '\b(error|errors|exception|fatal|panic|traceback|critical)\b') AS is_error
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND log_group NOT LIKE 'aws-waf-logs-%'
)
SELECT
  account, region, log_group,
  count(*) AS events,
  count_if(is_error) AS errors,
  max(IF(is_error, time)) AS last_error
FROM counted
GROUP BY account, region, log_group
ORDER BY errors DESC, account, region, log_group
LIMIT 500
