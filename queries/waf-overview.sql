-- title: What AWS WAF did
-- purpose: Counts requests by account, region, web ACL, rule, country, host, URI, method, client and user agent: the 25 most frequent values of each.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, account, region, source, web_acl, rule, rule_type, country, host, uri, method, client_ip, user_agent, action
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
), counted AS (
  SELECT
    element_at(ARRAY['all', 'account', 'region', 'source', 'web_acl', 'rule', 'rule_type', 'country', 'host', 'uri', 'method', 'client_ip', 'user_agent'], i) AS panel,
    coalesce(value, '-') AS value,
    count(*) AS requests,
    count_if(action = 'ALLOW') AS allowed,
    count_if(action = 'BLOCK') AS blocked,
    count_if(action IN ('CAPTCHA', 'CHALLENGE')) AS challenged,
    count(DISTINCT client_ip) AS clients,
    count(DISTINCT account) AS accounts
  FROM requests
  CROSS JOIN UNNEST(ARRAY['all', account, region, source, web_acl, rule, rule_type, country, host, uri, method, client_ip, user_agent])
    WITH ORDINALITY AS u (value, i)
  GROUP BY i, coalesce(value, '-')
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY panel ORDER BY requests DESC, value) AS place
  FROM counted
)
SELECT panel, value, requests, allowed, blocked, challenged, clients, accounts
FROM ranked
WHERE place <= 25
ORDER BY panel, place
