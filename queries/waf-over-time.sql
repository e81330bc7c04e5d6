-- title: AWS WAF over time
-- purpose: Counts requests by action, for each step of time.
-- groups: aws-waf-logs-
-- set: minutes=60  width of a step: 1, 5, 15, 60 or 1440
WITH requests AS (
  SELECT DISTINCT id, time, action
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
), steps AS (
  SELECT minutes FROM (VALUES 1, 5, 15, 60, 1440) AS widths (minutes)
  WHERE minutes = CAST(? /* minutes */ AS integer)
)
SELECT
  CAST(from_unixtime(floor(to_unixtime(time) / (60 * minutes)) * 60 * minutes) AS timestamp(3)) AS step,
  count(*) AS requests,
  count_if(action = 'ALLOW') AS allowed,
  count_if(action = 'BLOCK') AS blocked,
  count_if(action IN ('CAPTCHA', 'CHALLENGE')) AS challenged
FROM requests CROSS JOIN steps
GROUP BY 1
ORDER BY 1
