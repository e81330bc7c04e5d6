-- title: Volume over time
-- purpose: Counts events and characters by account and region, for each step of time.
-- set: minutes=60  width of a step: 1, 5, 15, 60 or 1440
WITH counted AS (
  SELECT DISTINCT id, time, account, region, log_group, length(message) AS characters
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
), steps AS (
  SELECT minutes FROM (VALUES 1, 5, 15, 60, 1440) AS widths (minutes)
  WHERE minutes = CAST(? /* minutes */ AS integer)
)
SELECT
  CAST(from_unixtime(floor(to_unixtime(time) / (60 * minutes)) * 60 * minutes) AS timestamp(3)) AS step,
  account,
  region,
  count(*) AS events,
  sum(characters) AS characters
FROM counted CROSS JOIN steps
GROUP BY 1, account, region
ORDER BY 1, account, region
