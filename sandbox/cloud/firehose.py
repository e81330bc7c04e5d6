"""Firehose streams: what they accept, buffer and deliver.

Implemented: Decompression, CloudWatchLogProcessing, MetadataExtraction and partitions, delimiters, compression, the
error prefix, buffering by size, the permissions of the delivery role, retries, errors in the stream's own log group.
Simplified: a buffer is written after SANDBOX_BUFFER_SECONDS (1 by default) instead of the stream's interval of minutes.
A stream that is deleted first delivers what it has buffered, which AWS deletes with it (DeleteDeliveryStream): on AWS,
the program retains a replaced stream, which then delivers its buffer; here, nothing is retained.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import cramjam
import jq
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import cloudwatch_logs as logs
from ministack.services import firehose, s3

from sandbox.cloud import keys, permissions, transform
from sandbox.cloud.metrics import count
from sandbox.cloud.patch import replace

_BUFFER_SECONDS = float(os.environ.get("SANDBOX_BUFFER_SECONDS", "1"))
_BUFFERING_HINTS = {"SizeInMBs": range(1, 129), "IntervalInSeconds": range(901)}
_PARTITIONED_HINTS = {"SizeInMBs": 64, "IntervalInSeconds": 60}
_MAX_PARTITIONS = 500
_COMPRESSIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "UNCOMPRESSED": (bytes, ""),
    "GZIP": (gzip.compress, ".gz"),
    "Snappy": (lambda body: bytes(cramjam.snappy.compress(body)), ".snappy"),
}
"""CompressionFormat → function that compresses, and extension of the objects."""
_ATTEMPTS = 5
_MAX_BATCH = 500
_MAX_RECORD_BYTES = 1000 * 1024
_MAX_PARAMETER_CHARACTERS = 5120  # of a processor
_MAX_PREFIX_CHARACTERS = 512  # evaluated
_MAX_KEY_BYTES = 1024
_GZIP = b"\x1f\x8b"
_SERVICE = "firehose.amazonaws.com"
_HANDLERS = {
    "CreateDeliveryStream": "_create_delivery_stream",
    "UpdateDestination": "_update_destination",
    "DeleteDeliveryStream": "_delete_delivery_stream",
    "PutRecord": "_put_record",
    "PutRecordBatch": "_put_record_batch",
}
Key = tuple[str, str, str]  # account, region, stream
Record = tuple[str, bytes]  # record ID, data


@dataclass
class _Buffer:
    records: list[Record] = field(default_factory=list)
    size: int = 0
    since: float = 0.0
    attempts: int = 0


_lock = threading.Lock()
_writer = threading.Lock()  # one buffer is written at a time
_buffers: dict[Key, _Buffer] = {}
_writing = 0


def ingest(account: str, region: str, stream: dict[str, Any], records: Iterable[bytes]) -> list[str]:
    """Put records into a stream's buffer; return their IDs."""
    accepted = [(firehose._record_id(), data) for data in records]
    size = sum(len(data) for _, data in accepted)
    with _lock:
        buffer = _buffers.setdefault((account, region, stream["name"]), _Buffer())
        buffer.since = buffer.since or time.monotonic()
        buffer.records += accepted
        buffer.size += size
    with request_scope(account, region):
        _count(stream, {"IncomingRecords": len(accepted), "IncomingBytes": size})
    return [record_id for record_id, _ in accepted]


def idle() -> bool:
    """Return whether all buffers have been written."""
    with _lock:
        return not _writing and not any(buffer.records for buffer in _buffers.values())


def install() -> None:
    """Replace functions of the emulator."""
    create = replace(firehose, "_create_delivery_stream", "data", lambda data: _checked(data, create))
    update = replace(firehose, "_update_destination", "data", lambda data: _checked(data, update))
    delete = replace(firehose, "_delete_delivery_stream", "data", lambda data: _delete(data, delete))
    describe = replace(firehose, "_dest_description", "dest", lambda dest: _description(dest, describe))
    replace(firehose, "_put_record", "data", _put_record)
    replace(firehose, "_put_record_batch", "data", _put_record_batch)
    for action, name in _HANDLERS.items():
        firehose._HANDLERS[action] = getattr(firehose, name)
    threading.Thread(target=_flush_forever, daemon=True, name="firehose-buffers").start()


def _checked(data: dict[str, Any], original: Callable[..., Any]) -> Any:  # noqa: ANN401 - the emulator's response
    config = data.get("ExtendedS3DestinationConfiguration") or data.get("ExtendedS3DestinationUpdate") or {}
    if "S3BackupUpdate" in config:
        config["S3BackupConfiguration"] = config.pop("S3BackupUpdate")
    problem = _problem(data, config)
    if problem:
        return error_response_json("InvalidArgumentException", problem, 400)
    role_arn = config.get("RoleARN")
    if role_arn and not permissions.caller_may("iam:PassRole", role_arn, {"iam:PassedToService": _SERVICE}):
        message = f"User is not authorized to perform: iam:PassRole on resource: {role_arn}"
        return error_response_json("AccessDeniedException", message, 400)
    return original(data)


def _problem(data: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Return why Firehose rejects a stream; None: it is valid (CreateDeliveryStream; "Custom prefixes")."""
    prefix = config.get("Prefix", "")
    hints = config.get("BufferingHints") or {}
    kinds = _kinds(config)
    stream_arn = f"arn:aws:firehose:{get_region()}:{get_account_id()}:deliverystream/{data['DeliveryStreamName']}"
    context = {
        "aws:SourceAccount": get_account_id(), "aws:SourceArn": stream_arn, "sts:ExternalId": get_account_id(),
    }  # fmt: skip
    for problem in (
        _prefix_problem(prefix, config.get("ErrorOutputPrefix", "")),
        _backup_problem(data, config, kinds),
        _decompression_problem(data, kinds),
    ):
        if problem:
            return problem
    for hint, allowed in _BUFFERING_HINTS.items():
        if hints.get(hint, allowed[0]) not in allowed:
            return f"BufferingHints.{hint} must be between {allowed[0]} and {allowed[-1]}."
    if "CloudWatchLogProcessing" in kinds and "Decompression" not in kinds:
        return "CloudWatchLogProcessing requires the Decompression processor."
    values = (each["ParameterValue"] for of in _processors(config) for each in of.get("Parameters") or [])
    if any(len(value) > _MAX_PARAMETER_CHARACTERS for value in values):
        return f"A ParameterValue must have length less than or equal to {_MAX_PARAMETER_CHARACTERS}."
    if config.get("CompressionFormat", "UNCOMPRESSED") not in _COMPRESSIONS:
        return f"The sandbox supports the compression formats {', '.join(_COMPRESSIONS)} only."
    if problem := _partitioning_problem(data, prefix, hints, kinds, partitioned=_is_partitioned(config)):
        return problem
    if "RoleARN" in config and not permissions.service_may_assume(config["RoleARN"], _SERVICE, context):
        return f"Firehose is unable to assume role {config['RoleARN']}. Please check the role provided."
    return None


def _prefix_problem(prefix: str, error_prefix: str) -> str | None:
    if "!{" in prefix and not error_prefix:
        return "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions."
    if "!{firehose:error-output-type}" in prefix:
        return "Prefix cannot contain the expression error-output-type."
    if "!{" in error_prefix and "!{firehose:error-output-type}" not in error_prefix:
        return "ErrorOutputPrefix must contain the expression !{firehose:error-output-type}."
    return None


def _backup_problem(data: dict[str, Any], config: dict[str, Any], kinds: list[str]) -> str | None:
    """Return why Firehose rejects the backup settings (Firehose Developer Guide, "Configure backup settings")."""
    stream = firehose._streams.get(data["DeliveryStreamName"])
    if stream and _config(stream).get("S3BackupMode") == "Enabled" and config.get("S3BackupMode") == "Disabled":
        return "S3 backup cannot be disabled once it is enabled."
    if config.get("S3BackupMode") == "Enabled" and "Lambda" not in kinds:
        return "S3 backup requires a Lambda processor."
    return None


def _decompression_problem(data: dict[str, Any], kinds: list[str]) -> str | None:
    """Return why Firehose does not enable decompression ("Enable decompression on an existing stream").

    The guide has an existing stream's Lambda processing enabled first, then decompression, and then the function
    taken away. Whether AWS accepts the last two steps in one call, it does not say: here it does not.
    """
    stream = firehose._streams.get(data["DeliveryStreamName"])
    before = kinds if stream is None else _kinds(_config(stream))
    if "Decompression" in kinds and "Decompression" not in before and not ("Lambda" in before and "Lambda" in kinds):
        return (
            "Decompression cannot be enabled on an existing stream without data transformation. Enable data "
            "transformation with Lambda first."
        )
    return None


def _partitioning_problem(
    data: dict[str, Any], prefix: str, hints: dict[str, int], kinds: list[str], *, partitioned: bool
) -> str | None:
    """Return why Firehose rejects dynamic partitioning (Firehose Developer Guide, "Dynamic partitioning")."""
    stream = firehose._streams.get(data["DeliveryStreamName"])
    if stream and _is_partitioned(_config(stream)) != partitioned:
        return "Dynamic partitioning can be neither enabled nor disabled on an existing stream."
    if not partitioned:
        return "Prefix contains partition keys without dynamic partitioning." if "!{partitionKey" in prefix else None
    if "!{partitionKey" not in prefix or not {"MetadataExtraction", "Lambda"} & set(kinds):
        return "Dynamic partitioning requires partition keys: a processor that extracts them, and a Prefix with them."
    for hint, least in _PARTITIONED_HINTS.items():
        if hints.get(hint, 0) < least:
            return f"BufferingHints.{hint} must be at least {least} with dynamic partitioning."
    return None


def _is_partitioned(config: dict[str, Any]) -> bool:
    return bool((config.get("DynamicPartitioningConfiguration") or {}).get("Enabled"))


def _config(stream: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = stream["destinations"][0]["config"]
    return config


def _delete(data: dict[str, Any], original: Callable[..., Any]) -> Any:  # noqa: ANN401 - as above
    key = (get_account_id(), get_region(), data.get("DeliveryStreamName", ""))
    while _flush_all(lambda each, _: each == key):  # the function of a transform may resubmit records
        pass
    return original(data)


def _description(dest: dict[str, Any], original: Callable[..., Any]) -> dict[str, Any]:
    described: dict[str, Any] = original(dest)
    extended = described.get("ExtendedS3DestinationDescription", {})
    extended.update({key: dest["config"][key] for key in ("FileExtension", "CustomTimeZone") if key in dest["config"]})
    if "S3BackupConfiguration" in dest["config"]:
        extended["S3BackupDescription"] = dest["config"]["S3BackupConfiguration"]
    return described


def _put_record(data: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    if stream is None:
        return firehose._not_found(data.get("DeliveryStreamName", ""))
    raw = base64.b64decode(data["Record"]["Data"])
    if rejection := _rejection(stream, raw):
        return rejection
    (record_id,) = ingest(get_account_id(), get_region(), stream, [raw])
    return json_response({"RecordId": record_id, "Encrypted": False})


def _put_record_batch(data: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
    stream = firehose._streams.get(data.get("DeliveryStreamName", ""))
    if stream is None:
        return firehose._not_found(data.get("DeliveryStreamName", ""))
    raw = [base64.b64decode(record["Data"]) for record in data.get("Records", [])]
    if not 1 <= len(raw) <= _MAX_BATCH:
        return error_response_json("InvalidArgumentException", "A batch must contain 1 to 500 records.", 400)
    if rejection := next(filter(None, (_rejection(stream, record) for record in raw)), None):
        return rejection
    ids = ingest(get_account_id(), get_region(), stream, raw)
    responses = [{"RecordId": record_id} for record_id in ids]
    return json_response({"FailedPutCount": 0, "Encrypted": False, "RequestResponses": responses})


def _rejection(stream: dict[str, Any], raw: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the response that rejects a record; None: it is accepted."""
    if not keys.may_put_records(stream, permissions.caller_may):
        message = "The caller may not use the KMS key of the stream: kms:GenerateDataKey and kms:Decrypt are required."
        return error_response_json("InvalidKMSResourceException", message, 400)
    if len(raw) > _MAX_RECORD_BYTES:
        return error_response_json("InvalidArgumentException", "Record size exceeds 1,000 KiB limit.", 400)
    config = _config(stream)
    if any(processor["Type"] == "Decompression" for processor in _processors(config)) and raw[:2] != _GZIP:
        message = "A stream with decompression only accepts records from CloudWatch Logs subscriptions."
        return error_response_json("InvalidSourceException", message, 400)
    return None


def _flush_forever() -> None:
    while True:
        time.sleep(0.05)
        _flush_all(_is_due)


def _flush_all(is_due: Callable[[Key, _Buffer], bool]) -> bool:
    """Write the buffers that are due, after those that are being written; return whether there were any."""
    global _writing  # noqa: PLW0603 - one writer for all streams
    with _writer:
        with _lock:
            due = {key: buffer for key, buffer in _buffers.items() if buffer.records and is_due(key, buffer)}
            for key in due:
                del _buffers[key]
            _writing += len(due)
        for key, buffer in due.items():
            try:
                _flush(key, buffer)
            finally:
                with _lock:
                    _writing -= 1
    return bool(due)


def _is_due(key: Key, buffer: _Buffer) -> bool:
    stream = firehose._streams.get_scoped(*key)
    if stream is None:
        return True
    limit = (_config(stream).get("BufferingHints") or {}).get("SizeInMBs", 5) * 2**20
    return buffer.size >= limit or time.monotonic() - buffer.since >= _BUFFER_SECONDS


def _flush(key: Key, buffer: _Buffer) -> None:
    account, region, _ = key
    stream = firehose._streams.get_scoped(*key)
    if stream is None:
        return
    config = _config(stream)
    with request_scope(account, region):
        problem = _delivery_error(stream, config)
        written = 0
        if problem is None:
            written = _write(stream, config, buffer.records)
        else:
            buffer.attempts += 1
            _report(config, stream, problem)
            if buffer.attempts < _ATTEMPTS:
                buffer.since = time.monotonic()
                with _lock:
                    later = _buffers.get(key, _Buffer())
                    buffer.records += later.records
                    buffer.size += later.size
                    _buffers[key] = buffer
        _count(
            stream,
            {
                "DeliveryToS3.Records": written,
                "DeliveryToS3.Success": float(problem is None),
                "DeliveryToS3.DataFreshness": time.monotonic() - buffer.since,
            },
        )


def _count(stream: dict[str, Any], values: dict[str, float]) -> None:
    count("AWS/Firehose", {"DeliveryStreamName": stream["name"]}, values)


def _delivery_error(stream: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Return why the stream cannot write to its bucket; None: it can."""
    role, bucket_arn = config["RoleARN"], config["BucketARN"]
    account = get_account_id()
    context = {"aws:SourceAccount": account, "aws:SourceArn": stream["arn"], "sts:ExternalId": account}
    bucket, object_arn = bucket_arn.rsplit(":", 1)[-1], f"{bucket_arn}/object"
    session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/firehose"
    configured_key = config.get("EncryptionConfiguration", {}).get("KMSEncryptionConfig", {}).get("AWSKMSKeyARN")
    header = "s3:x-amz-server-side-encryption"
    encryption = {header: "aws:kms", f"{header}-aws-kms-key-id": configured_key} if configured_key else {}
    owner = s3._bucket_owner_account(bucket)
    if owner is None:
        return f"The specified bucket {bucket} does not exist."
    if not permissions.service_may_assume(role, _SERVICE, context):
        return f"Firehose is not authorized to assume the role {role}."
    policy = s3._bucket_policies.get_scoped(owner, None, bucket) or ""
    decision = permissions.bucket_policy_decision(policy, session, "s3:PutObject", object_arn, encryption)
    # In another account, the bucket policy has to allow it too.
    denied = decision == "Deny" if owner == account else decision != "Allow"
    if denied or not permissions.role_may(role, "s3:PutObject", object_arn):
        return f"Access was denied to {bucket}. Ensure that the role {role} may put objects there."
    if metric := keys.stream_key_error(stream):
        _count(stream, {metric: 1})
        return "The key of the stream cannot be used."
    with request_scope(owner, get_region()):
        default, encrypted = keys.bucket_default(bucket), keys.encrypted_arn(bucket, object_arn)
    # S3 looks for an ID or alias in the account of the requester (API operation PutBucketEncryption).
    key = configured_key or default
    if key is not None and not keys.role_may(role, keys.OBJECT_ACTIONS, key, encrypted):
        return f"Access was denied to the key {key}. Ensure that the role {role} may encrypt objects with it."
    return None


def _write(stream: dict[str, Any], config: dict[str, Any], records: list[Record]) -> int:
    """Write an object for each prefix and each kind of failure; return how many records were processed."""
    failed: dict[str, list[bytes]] = {}
    now = firehose._arrival_time(config)
    if config.get("S3BackupMode") == "Enabled":
        backup = config["S3BackupConfiguration"]
        _put(stream, backup, firehose._evaluate_prefix(backup.get("Prefix"), now), "", b"".join(r for _, r in records))
        _count(stream, {"BackupToS3.Success": 1})
    decompressed = list(_decompressed(config, records, failed))
    if bad := failed.get("decompression-failed"):
        _count(stream, {"OutputDecompressedRecords.Failed": len(bad)})
    good = _partitions(stream, config, _transformed(stream, config, decompressed, failed), failed, now)
    compress, extension = _compression(config)
    for prefix, lines in good.items():
        _put(stream, config, prefix, extension, compress(b"".join(lines)))
    for output_type, lines in failed.items():
        prefix = firehose._evaluate_prefix(config.get("ErrorOutputPrefix"), now, error_type=output_type)
        _put(stream, config, prefix, "", b"".join(lines))
    return sum(map(len, good.values()))


def _compression(config: dict[str, Any]) -> tuple[Callable[[bytes], bytes], str]:
    """Return the function that compresses objects, and their extension."""
    compress, extension = _COMPRESSIONS[config.get("CompressionFormat", "UNCOMPRESSED")]
    return compress, config.get("FileExtension", extension)


def _transformed(
    stream: dict[str, Any], config: dict[str, Any], records: list[Record], failed: dict[str, list[bytes]]
) -> list[tuple[bytes, dict[str, str]]]:
    """Return data and partition keys of the records, as the stream's function returns them, if it has one."""
    parameters = _parameters(config, "Lambda")
    if parameters is None:
        return [(data, {}) for _, data in records]
    done = transform.transformed(stream["arn"], config["RoleARN"], parameters, records)
    for raw, code, message, attempts in done.failed:
        failed.setdefault("processing-failed", []).append(_error_line(raw, code, message, attempts))
    _count(stream, {"ExecuteProcessing.Success": done.successes / max(done.successes + done.errors, 1)})
    return done.processed


def _put(stream: dict[str, Any], config: dict[str, Any], prefix: str, extension: str, body: bytes) -> None:
    bucket = config["BucketARN"].rsplit(":", 1)[-1]
    with request_scope(s3._bucket_owner_account(bucket) or get_account_id(), get_region()):
        firehose._put_s3_object(bucket, prefix + _object_name(stream, config, extension), body)


def _object_name(stream: dict[str, Any], config: dict[str, Any], extension: str) -> str:
    stamp = firehose._java_time("yyyy-MM-dd-HH-mm-ss", firehose._arrival_time(config))
    return f"{stream['name']}-{stream['version']}-{stamp}-{firehose.new_uuid()}{extension}"


def _partitions(
    stream: dict[str, Any],
    config: dict[str, Any],
    records: Iterable[tuple[bytes, dict[str, str]]],
    failed: dict[str, list[bytes]],
    now: time.struct_time,
) -> dict[str, list[bytes]]:
    """Return prefix → records, each with the stream's delimiter.

    Records without a partition fail, and those whose prefix or key would be too long ("Custom prefixes"; Amazon S3 User
    Guide, "Object key naming guidelines").
    """
    delimiter = _parameters(config, "AppendDelimiterToRecord")
    ending = b"" if delimiter is None else delimiter.get("Delimiter", "\\n").replace("\\n", "\n").encode()
    query = (_parameters(config, "MetadataExtraction") or {}).get("MetadataExtractionQuery")
    _, extension = _compression(config)
    partitions: dict[str, list[bytes]] = {}
    for data, from_function in records:
        try:
            keys = None if query is None else _keys(query, data)
            prefix = firehose._evaluate_prefix(config.get("Prefix"), now, keys, from_function)
        except (ValueError, firehose._DeliveryError) as error:
            failed.setdefault("processing-failed", []).append(_error_line(data, "MetadataExtraction.Failed", error))
            continue
        key = prefix + _object_name(stream, config, extension)
        if len(prefix) > _MAX_PREFIX_CHARACTERS or len(key.encode()) > _MAX_KEY_BYTES:
            failed.setdefault("processing-failed", []).append(_error_line(data, "S3.KeyTooLongError", prefix))
            continue
        if prefix not in partitions and len(partitions) >= _MAX_PARTITIONS:
            _count(stream, {"PartitionCountExceeded": 1})
            line = _error_line(data, "DynamicPartitioning.ActivePartitionLimitExceeded", prefix)
            failed.setdefault("processing-failed", []).append(line)
            continue
        partitions.setdefault(prefix, []).append(data + ending)
    return partitions


def _keys(query: str, data: bytes) -> dict[str, str]:
    """Return the partition keys of a record.

    Raises:
        ValueError: the record is not JSON, the query fails, or a key is neither a string nor a number.
    """
    keys = _compiled(query).input_text(data.decode()).first()
    if wrong := [key for key, value in keys.items() if not isinstance(value, str | int | float) or value == ""]:
        raise ValueError(f"partition keys without a value: {', '.join(wrong)}")
    return {key: str(value) for key, value in keys.items()}


@functools.cache
def _compiled(query: str) -> Any:  # noqa: ANN401 - jq has no types
    return jq.compile(query)


def _error_line(raw: bytes, code: str, message: object, attempts: int = 1) -> bytes:
    now = int(time.time() * 1000)
    line = {
        "attemptsMade": attempts, "arrivalTimestamp": now, "errorCode": code, "errorMessage": str(message),
        "attemptEndingTimestamp": now, "rawData": base64.b64encode(raw).decode(),
    }  # fmt: skip
    return json.dumps(line).encode() + b"\n"


def _decompressed(config: dict[str, Any], records: list[Record], failed: dict[str, list[bytes]]) -> Iterable[Record]:
    extract = (_parameters(config, "CloudWatchLogProcessing") or {}).get("DataMessageExtraction") == "true"
    if _parameters(config, "Decompression") is None:
        yield from records
        return
    for record_id, raw in records:
        try:
            data = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            failed.setdefault("decompression-failed", []).append(_error_line(raw, "Decompression.Failed", error))
            continue
        if extract:
            data = b"\n".join(event["message"].encode() for event in json.loads(data)["logEvents"])
        yield record_id, data


def _report(config: dict[str, Any], stream: dict[str, Any], problem: str) -> None:
    """Log an error to the stream's log group, if its role is allowed to."""
    options = config.get("CloudWatchLoggingOptions") or {}
    group, log_stream = options.get("LogGroupName", ""), options.get("LogStreamName", "")
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:{log_stream}"
    if not options.get("Enabled") or not permissions.role_may(config["RoleARN"], "logs:PutLogEvents", arn):
        return
    message = json.dumps({"deliveryStreamARN": stream["arn"], "message": problem, "errorCode": "S3.AccessDenied"})
    event = {"timestamp": int(time.time() * 1000), "message": message}
    logs._put_log_events({"logGroupName": group, "logStreamName": log_stream, "logEvents": [event]})


def _processors(config: dict[str, Any]) -> list[dict[str, Any]]:
    processing = config.get("ProcessingConfiguration") or {}
    return list(processing.get("Processors") or []) if processing.get("Enabled") else []


def _kinds(config: dict[str, Any]) -> list[str]:
    return [processor["Type"] for processor in _processors(config)]


def _parameters(config: dict[str, Any], kind: str) -> dict[str, str] | None:
    for processor in _processors(config):
        if processor["Type"] == kind:
            return {p["ParameterName"]: p["ParameterValue"] for p in processor.get("Parameters") or []}
    return None
