-- title: AWS WAF by rule
-- purpose: Counts requests by the rule that decided on them: within a rule group, the group's own.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, time, account, web_acl, rule, rule_group, rule_type, action, client_ip, host, uri
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
)
SELECT
  coalesce(rule, '-') AS rule,
  coalesce(rule_group, '-') AS rule_group,
  coalesce(rule_type, '-') AS rule_type,
  count(*) AS requests,
  count_if(action = 'ALLOW') AS allowed,
  count_if(action = 'BLOCK') AS blocked,
  count_if(action IN ('CAPTCHA', 'CHALLENGE')) AS challenged,
  count(DISTINCT client_ip) AS clients,
  count(DISTINCT account) AS accounts,
  count(DISTINCT web_acl) AS web_acls,
  min(time) AS first_seen,
  max(time) AS last_seen
FROM requests
GROUP BY coalesce(rule, '-'), coalesce(rule_group, '-'), coalesce(rule_type, '-')
ORDER BY requests DESC, rule, rule_group, rule_type
LIMIT 500
