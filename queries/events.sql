-- title: Events
-- purpose: Lists the events of log groups, the latest 500.
-- set: log_group=all  name of the log group, or all
-- set: log_stream=all  name of the log stream, or all
SELECT DISTINCT time, account, region, log_group, log_stream, id, message
FROM events
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND (? /* log_group */ = 'all' OR log_group = ? /* log_group */)
  AND (? /* log_stream */ = 'all' OR log_stream = ? /* log_stream */)
ORDER BY time DESC, id
LIMIT 500
