-- title: One event
-- purpose: Returns one event whole.
-- set: id  the event's ID
SELECT DISTINCT time, account, region, log_group, log_stream, id, message
FROM events
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND id = ? /* id */
ORDER BY time, id
LIMIT 100
