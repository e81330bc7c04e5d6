-- title: Bots
-- purpose: Counts requests by what AWS WAF Bot Control found out about them: category, name, organization, signals.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, account, client_ip, action, labels
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
)
SELECT
  split_part(label, ':', 5) AS part,
  split_part(label, ':', 6) AS kind,
  array_join(slice(split(label, ':'), 7, 100), ':') AS value,
  count(*) AS requests,
  count_if(action = 'ALLOW') AS allowed,
  count_if(action = 'BLOCK') AS blocked,
  count_if(action IN ('CAPTCHA', 'CHALLENGE')) AS challenged,
  count(DISTINCT client_ip) AS clients,
  count(DISTINCT account) AS accounts
FROM requests CROSS JOIN UNNEST(array_distinct(labels)) AS u (label)
WHERE label LIKE 'awswaf:managed:aws:bot-control:%'
GROUP BY label
ORDER BY requests DESC, label
LIMIT 500
