-- title: Requests
-- purpose: Lists the requests behind a number, the latest 500.
-- groups: aws-waf-logs-
-- set: action=all  ALLOW, BLOCK, CAPTCHA, CHALLENGE, or all
-- set: rule=all  rule that decided, or all
-- set: counted=all  rule in COUNT mode that matched, or all
-- set: country=all  two letters, - for none, or all
-- set: host=all  host, - for none, or all
-- set: uri=all  path, or all
-- set: client_ip=all  IP address, or all
-- set: method=all  method, or all
-- set: web_acl=all  name of the web ACL, or all
-- set: user_agent=all  user agent, - for none, or all
SELECT DISTINCT
  time, account, region, web_acl, source, action, rule, rule_type, client_ip, country, method, host, uri, args, user_agent,
  ja4, response_code, request_id, id
FROM waf
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND (? /* action */ = 'all' OR action = ? /* action */)
  AND (? /* rule */ = 'all' OR coalesce(rule, '-') = ? /* rule */)
  AND (? /* counted */ = 'all' OR contains(counted, ? /* counted */))
  AND (? /* country */ = 'all' OR coalesce(country, '-') = ? /* country */)
  AND (? /* host */ = 'all' OR coalesce(host, '-') = ? /* host */)
  AND (? /* uri */ = 'all' OR coalesce(uri, '-') = ? /* uri */)
  AND (? /* client_ip */ = 'all' OR coalesce(client_ip, '-') = ? /* client_ip */)
  AND (? /* method */ = 'all' OR coalesce(method, '-') = ? /* method */)
  AND (? /* web_acl */ = 'all' OR coalesce(web_acl, '-') = ? /* web_acl */)
  AND (? /* user_agent */ = 'all' OR coalesce(user_agent, '-') = ? /* user_agent */)
ORDER BY time DESC, id
LIMIT 500
