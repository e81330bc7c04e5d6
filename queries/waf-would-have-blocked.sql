-- title: What rules would have stopped, if they did not only count
-- purpose: Lists the rules in COUNT mode that matched requests which AWS WAF allowed.
-- groups: aws-waf-logs-
-- set: rule=all  rule, as this query returns it, or all
WITH requests AS (
  SELECT DISTINCT id, time, account, client_ip, host, uri, counted
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND action = 'ALLOW'
)
SELECT
  rule,
  count(*) AS requests,
  count(DISTINCT client_ip) AS clients,
  count(DISTINCT account) AS accounts,
  count(DISTINCT host) AS hosts,
  min(time) AS first_seen,
  max(time) AS last_seen,
  max_by(uri, time) AS last_uri
FROM requests CROSS JOIN UNNEST(counted) AS rules (rule)
WHERE ? /* rule */ = 'all' OR rule = ? /* rule */
GROUP BY rule
ORDER BY requests DESC, rule
LIMIT 200
