-- title: VPC flow logs
-- purpose: Sums flows, packets and bytes between two addresses, of flow logs in the default format: the most bytes first.
-- set: action=all  ACCEPT, REJECT, or all
-- set: address=all  IP address of either side, or all
WITH flows AS (
  SELECT DISTINCT id, account, region, split(message, ' ') AS fields
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND regexp_like(message, '^[0-9]+ [0-9]{12} eni-[0-9a-f]+ ([^ ]+ ){9}(ACCEPT|REJECT) ')
)
SELECT
  account, region,
  fields[4] AS source,
  fields[5] AS destination,
  fields[7] AS port,
  fields[8] AS protocol,
  fields[13] AS action,
  count(*) AS flows,
  sum(TRY_CAST(fields[9] AS bigint)) AS packets,
  sum(TRY_CAST(fields[10] AS bigint)) AS bytes
FROM flows
WHERE (? /* action */ = 'all' OR fields[13] = ? /* action */)
  AND (? /* address */ = 'all' OR fields[4] = ? /* address */ OR fields[5] = ? /* address */)
GROUP BY account, region, fields[4], fields[5], fields[7], fields[8], fields[13]
ORDER BY bytes DESC, flows DESC, account, region, source, destination, port, protocol, action
LIMIT 500
