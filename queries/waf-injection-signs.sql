-- title: Signs of injection
-- purpose: Lists requests that look like an attack, whether AWS WAF stopped them or not, the latest 500.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT
    id, time, account, region, client_ip, action, rule, method, host, uri, args, request_id,
    lower(json_format(json_extract(message, '$.httpRequest'))) AS request
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
), signs AS (
  SELECT
    *,
    array_join(ARRAY[
      IF(regexp_like(request, 'union(\s|\+|%20)+(all(\s|\+|%20)+)*select|(\s|\+|%20|''|%27)or(\s|\+|%20)+1(\s|%20)*(=|%3d)(\s|%20)*1|(sleep|benchmark)(\(|%28)|information_schema'), 'SQL'),
      IF(regexp_like(request, '(<|%3c)(/|%2f)*script|javascript(:|%3a)|on(error|load)(=|%3d)'), 'script'),
      IF(regexp_like(request, '(\.|%2e)(\.|%2e)(/|%2f|%5c)(\.|%2e)(\.|%2e)|(/|%2f)etc(/|%2f)(passwd|shadow)'), 'path'),
      IF(regexp_like(request, '(\$|%24)(\{|%7b).{0,40}j.{0,8}n.{0,8}d.{0,8}i'), 'JNDI'),
      IF(regexp_like(request, '(;|%3b|\||%7c|%60|%24%28)(\s|\+|%20)*(cat|wget|curl|bash|nc)(\s|\+|%20)+(/|%2f|-|http)'), 'shell')
    ], ', ') AS signs
  FROM requests
)
SELECT time, account, region, signs, action, rule, client_ip, method, host, uri, args, request_id, id
FROM signs
WHERE signs <> ''
ORDER BY time DESC, id
LIMIT 500
