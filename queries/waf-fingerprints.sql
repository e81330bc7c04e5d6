-- title: TLS fingerprints
-- purpose: Counts requests by the TLS fingerprint of the client: one with many addresses or user agents may be one tool.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, time, account, client_ip, action, user_agent, ja3, ja4
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND coalesce(ja4, ja3) IS NOT NULL
)
SELECT
  coalesce(ja4, '-') AS ja4,
  coalesce(ja3, '-') AS ja3,
  count(*) AS requests,
  count_if(action = 'ALLOW') AS allowed,
  count_if(action = 'BLOCK') AS blocked,
  count(DISTINCT client_ip) AS clients,
  count(DISTINCT user_agent) AS user_agents,
  count(DISTINCT account) AS accounts,
  min(time) AS first_seen,
  max(time) AS last_seen
FROM requests
GROUP BY coalesce(ja4, '-'), coalesce(ja3, '-')
ORDER BY blocked DESC, requests DESC, ja4, ja3
LIMIT 500
