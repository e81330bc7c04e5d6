-- title: Rate-based rules
-- purpose: Lists the clients that reached the limit of a rate-based rule, whether it stopped them or only counted.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, time, account, client_ip, country, action, json_extract(message, '$.rateBasedRuleList') AS rules
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND json_extract_scalar(message, '$.rateBasedRuleList[0].rateBasedRuleName') IS NOT NULL
)
SELECT
  json_extract_scalar(entry, '$.rateBasedRuleName') AS rule,
  coalesce(json_extract_scalar(entry, '$.limitKey'), '-') AS limit_key,
  json_extract_scalar(entry, '$.maxRateAllowed') AS max_rate,
  coalesce(client_ip, '-') AS client_ip,
  coalesce(country, '-') AS country,
  count(*) AS requests,
  count_if(action <> 'ALLOW') AS stopped,
  count(DISTINCT account) AS accounts,
  min(time) AS first_seen,
  max(time) AS last_seen
FROM requests CROSS JOIN UNNEST(TRY_CAST(rules AS ARRAY(JSON))) AS u (entry)
GROUP BY 1, 2, 3, 4, 5
ORDER BY requests DESC, rule, client_ip, limit_key, max_rate, country
LIMIT 500
