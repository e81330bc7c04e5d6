-- title: Events
-- purpose: Lists events, the latest 500.
-- set: log_group=all  name of the log group, or all
SELECT DISTINCT time, account, region, log_group, log_stream, id, message
FROM events
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND (? /* log_group */ = 'all' OR coalesce(log_group, '-') = ? /* log_group */)
ORDER BY time DESC, id
LIMIT 500
