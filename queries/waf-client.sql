-- title: The story of one client
-- purpose: Says what one IP address asked for, where, and how it ended, from its first request on.
-- groups: aws-waf-logs-
-- set: client_ip  the IP address
WITH requests AS (
  SELECT DISTINCT id, time, account, region, country, host, method, uri, action, rule, user_agent
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND client_ip = ? /* client_ip */
)
SELECT
  account, region, country, host, method, uri, action, rule,
  count(*) AS requests,
  count(DISTINCT user_agent) AS user_agents,
  min(time) AS first_seen,
  max(time) AS last_seen
FROM requests
GROUP BY account, region, country, host, method, uri, action, rule
ORDER BY first_seen, last_seen, account, region, host, uri, method, action, rule
LIMIT 1000
