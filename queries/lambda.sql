-- title: AWS Lambda
-- purpose: Counts runs, errors and timeouts of each function, with its longest run and its memory.
-- groups: _aws_lambda_
WITH lines AS (
  SELECT DISTINCT
    id, account, region, log_group,
    message LIKE 'REPORT RequestId:%' OR json_extract_scalar(message, '$.type') = 'platform.report' AS is_run,
    regexp_like(message, 'Task timed out after [0-9]')
      OR coalesce(json_extract_scalar(message, '$.record.status') = 'timeout', false) AS is_timeout,
    message LIKE '%[ERROR]%' OR coalesce(json_extract_scalar(message, '$.level') IN ('ERROR', 'FATAL'), false) AS is_error,
    TRY_CAST(coalesce(
      regexp_extract(message, '\bDuration: ([0-9.]+) ms', 1),
      json_extract_scalar(message, '$.record.metrics.durationMs')
    ) AS double) AS milliseconds,
    TRY_CAST(coalesce(
      regexp_extract(message, 'Max Memory Used: ([0-9]+) MB', 1),
      json_extract_scalar(message, '$.record.metrics.maxMemoryUsedMB')
    ) AS bigint) AS megabytes
  FROM events
  WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
    AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
    AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
    AND (? /* account */ = 'all' OR account = ? /* account */)
    AND (? /* region */ = 'all' OR region = ? /* region */)
    AND (? /* group */ = 'all' OR "group" = ? /* group */)
    AND log_group LIKE '/aws/lambda/%'
)
SELECT
  account, region, log_group,
  count_if(is_run) AS runs,
  count_if(is_error) AS errors,
  count_if(is_timeout) AS timeouts,
  max(IF(is_run, milliseconds)) AS longest_milliseconds,
  max(IF(is_run, megabytes)) AS most_megabytes
FROM lines
GROUP BY account, region, log_group
ORDER BY errors DESC, timeouts DESC, runs DESC, account, region, log_group
LIMIT 500
