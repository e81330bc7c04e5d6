-- title: AWS CloudTrail
-- purpose: Lists what the root user did, what was denied, and what changed logging itself, the latest 500, or everything.
-- set: show=notable  notable, or all
-- set: event_name=all  name of the API operation, or all
-- set: source_ip=all  IP address, or all
SELECT DISTINCT
  time, account, region,
  json_extract_scalar(message, '$.eventSource') AS event_source,
  json_extract_scalar(message, '$.eventName') AS event_name,
  json_extract_scalar(message, '$.userIdentity.type') AS user_type,
  json_extract_scalar(message, '$.userIdentity.arn') AS user_arn,
  json_extract_scalar(message, '$.sourceIPAddress') AS source_ip,
  json_extract_scalar(message, '$.errorCode') AS error_code,
  id
FROM events
WHERE "date" BETWEEN ? /* from_date */ AND ? /* to_date */
  AND ("date" > ? /* from_date */ OR coalesce(hour, '24') >= ? /* from_hour */)
  AND time >= CAST(? /* from */ AS timestamp) AND time < CAST(? /* to */ AS timestamp)
  AND (? /* account */ = 'all' OR account = ? /* account */)
  AND (? /* region */ = 'all' OR region = ? /* region */)
  AND (? /* group */ = 'all' OR "group" = ? /* group */)
  AND json_extract_scalar(message, '$.eventSource') LIKE '%.amazonaws.com'
  AND json_extract_scalar(message, '$.eventName') IS NOT NULL
  AND (? /* event_name */ = 'all' OR json_extract_scalar(message, '$.eventName') = ? /* event_name */)
  AND (? /* source_ip */ = 'all' OR json_extract_scalar(message, '$.sourceIPAddress') = ? /* source_ip */)
  AND (
    ? /* show */ = 'all'
    OR json_extract_scalar(message, '$.userIdentity.type') = 'Root'
    OR regexp_like(json_extract_scalar(message, '$.errorCode'), 'Denied|Unauthorized')
    OR json_extract_scalar(message, '$.eventName') IN (
      'StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors', 'PutSubscriptionFilter',
      'DeleteSubscriptionFilter', 'DeleteAccountPolicy', 'DeleteLogGroup', 'DeleteLogStream', 'DeleteFlowLogs',
      'DeleteLoggingConfiguration', 'PutLoggingConfiguration'
    )
  )
ORDER BY time DESC, id
LIMIT 500
