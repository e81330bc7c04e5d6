-- title: New clients
-- purpose: Lists the IP addresses whose first request in the whole range is at or after a moment: those that were blocked most first.
-- groups: aws-waf-logs-
-- set: new_since  a moment in UTC, like 2026-11-02 08:00:00
WITH requests AS (
  SELECT DISTINCT id, time, account, client_ip, country, action, uri
  FROM waf
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND client_ip IS NOT NULL
), clients AS (
  SELECT
    client_ip,
    max(country) AS country,
    min(time) AS first_seen,
    max(time) AS last_seen,
    count(*) AS requests,
    count_if(action = 'BLOCK') AS blocked,
    count(DISTINCT account) AS accounts,
    count(DISTINCT uri) AS uris
  FROM requests
  GROUP BY client_ip
)
SELECT client_ip, country, first_seen, last_seen, requests, blocked, accounts, uris
FROM clients
WHERE first_seen >= CAST(? /* new_since */ AS timestamp)
ORDER BY blocked DESC, requests DESC, client_ip
LIMIT 500
