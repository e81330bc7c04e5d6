-- title: One request
-- purpose: Returns one request whole, as AWS WAF logged it.
-- groups: aws-waf-logs-
-- set: request_id  the request's ID, or the ID of its event
SELECT DISTINCT
  time, account, region, log_group, web_acl_id, source, source_id, action, rule, rule_group, rule_type,
  array_join(counted, ', ') AS counted, array_join(labels, ', ') AS labels,
  client_ip, client_asn, forwarded_for, country, method, host, uri, args, user_agent, ja3, ja4, response_code,
  request_id, id, message
FROM waf
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND (request_id = ? /* request_id */ OR id = ? /* request_id */)
ORDER BY time, id
LIMIT 100
