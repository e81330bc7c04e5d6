-- title: Clients across accounts
-- purpose: Lists the IP addresses that sent requests to more than one account, those that were blocked most first.
-- groups: aws-waf-logs-
WITH requests AS (
  SELECT DISTINCT id, time, account, client_ip, country, action
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND client_ip IS NOT NULL
)
SELECT
  client_ip,
  max(country) AS country,
  count(DISTINCT account) AS accounts,
  array_join(array_sort(array_agg(DISTINCT account)), ', ') AS which,
  count(*) AS requests,
  count_if(action = 'BLOCK') AS blocked,
  min(time) AS first_seen,
  max(time) AS last_seen
FROM requests
GROUP BY client_ip
HAVING count(DISTINCT account) > 1
ORDER BY blocked DESC, accounts DESC, requests DESC, client_ip
LIMIT 500
