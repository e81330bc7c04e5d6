"""Who may do what, decided by the emulator's own IAM evaluator.

The emulator's services write anywhere without a check, so the extension checks permissions before it delivers anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator as iam
from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import athena, organizations, s3, tagging
from ministack.services import iam as iam_service

Context = Mapping[str, str]


def service_may_assume(role_arn: str, service: str, context: Context) -> bool:
    """Return whether a role's trust policy lets an AWS service assume it, with the context that the service passes.

    Args:
        role_arn: ARN of the role.
        service: the service principal, like ``logs.amazonaws.com``.
        context: condition keys, like ``aws:SourceArn``.
    """
    role = _role(role_arn)
    if role is None:
        return False
    request = _request(f"arn:aws:iam::aws:{service}", "", "sts:AssumeRole", "*", context)
    statements = [
        {**statement, "Resource": "*"}
        for statement in _statements(role["AssumeRolePolicyDocument"])
        if service in _listed(_principal(statement, "Service"))
    ]
    return _decides(request, [{"Statement": statements}])


def role_may(
    role_arn: str, action: str, resource: str, context: Context | None = None, key_policy: str | None = None
) -> bool:
    """Return whether a role's policies allow an action on a resource. The policy of a key has to allow it too."""
    account, name = _account_and_name(role_arn)
    request = _request(f"arn:aws:sts::{account}:assumed-role/{name}/service", account, action, resource, context or {})
    return _both(request, _policies_of_role(name, account), key_policy)


def simulated(role_arn: str, action: str, resource: str, context: Context) -> str:
    """Return the decision of a role's policies and boundary on an action, as IAM's policy simulator spells it."""
    account, name = _account_and_name(role_arn)
    request = _request(role_arn, account, action, resource, context)
    decision = iam.evaluate(request, *_policies_of_role(name, account)).decision
    return {"Allow": "allowed", "Deny": "explicitDeny"}.get(decision, "implicitDeny")


def bucket_policy_decision(policy: str, principal_arn: str, action: str, resource: str, context: Context) -> str:
    """Return the decision of a bucket policy on a request over TLS: Allow, Deny, or another value for neither."""
    request = _request(principal_arn, parse_arn(principal_arn).account_id, action, resource, context)
    request.secure_transport = True
    return str(iam.evaluate_resource_policy(policy or None, request).decision)


def organization_of(account: str) -> str | None:
    """Return the ID of the organization that an account has joined."""
    organization: str | None = iam._principal_org_id(account)
    return organization


def join(account: str, organization: str) -> dict[str, str]:
    """Add an account to an organization, whatever its ID."""
    with request_scope(account, "us-east-1"):
        organizations._ensure_org()
        organizations._orgs["self"]["Id"] = organization
    return {"account": account, "organization": organization}


def destination_admits(policy: str | None, account: str, action: str, destination_arn: str) -> bool:
    """Return whether the policy of a Logs destination allows an account an action on it."""
    request = _request(f"arn:aws:iam::{account}:root", account, action, destination_arn, {})
    return bool(policy and iam.evaluate_resource_policy(policy, request).decision == "Allow")


def resource_policy_allows_service(policy: str, service: str, action: str, resource: str, context: Context) -> bool:
    """Return whether a resource policy allows a service principal an action."""
    request = _request(f"arn:aws:iam::aws:{service}", "", action, resource, context)
    request.secure_transport = True
    return bool(iam.evaluate_resource_policy(policy, request, service=service).decision == "Allow")


def caller_may(
    action: str, resource: str, context: Context, resource_policy: str | None = None, owner: str | None = None
) -> bool:
    """Return whether the principal of the current request may perform an action that the emulator does not check.

    Args:
        action: like ``kms:Decrypt``.
        resource: its ARN.
        context: condition keys.
        resource_policy: of the resource, if it has one.
        owner: account of a resource whose policy need not allow what the principal's policies in that account allow.
            Without one, the policy has to allow it too, as that of a key.
    """
    caller = iam.caller_arn()
    if caller.endswith(":root"):
        return True
    account = parse_arn(caller).account_id
    name = caller.rsplit("/", 2)[-2] if ":assumed-role/" in caller else caller.rsplit("/", 1)[-1]
    policies = (
        _policies_of_role(name, account) if ":assumed-role/" in caller else [iam._gather_user_policies(name, account)]
    )
    tags = {f"aws:ResourceTag/{key}": value for key, value in (tagging.resource_tags(resource) or {}).items()}
    request = _request(caller, account, action, resource, {**tags, **context})
    request.secure_transport = True
    allowed = _both(request, policies, resource_policy, owner)
    CALLS.add((caller, action, resource, allowed))
    return allowed


def caller_identity() -> dict[str, Any]:
    """Return who makes the current request, as CloudTrail describes it."""
    arn = iam.caller_arn()
    account, (kind, *path) = parse_arn(arn).account_id, parse_arn(arn).resource.split("/")
    identity = {"arn": arn, "accountId": account}
    if kind == "root":
        return {"type": "Root", **identity}
    if kind != "assumed-role":
        return {"type": "IAMUser", **identity, "userName": path[-1]}
    name = path[0]
    role = _role(f"arn:aws:iam::{account}:role/{name}") or {"Arn": f"arn:aws:iam::{account}:role/{name}"}
    issuer = {"type": "Role", "arn": role["Arn"], "accountId": account, "userName": name}
    return {"type": "AssumedRole", **identity, "sessionContext": {"sessionIssuer": issuer}}


def caller_may_in_bucket(action: str, resource: str, context: Context) -> bool:
    """Return whether the principal of the current request may perform an action of S3 on a bucket, or on an object."""
    return caller_may(action, resource, context, *_bucket_policy_and_owner(resource))


def role_may_in_bucket(role_arn: str, action: str, resource: str) -> bool:
    """Return whether a role may perform an action of S3, over TLS, on a bucket of any account, or on an object."""
    account, name = _account_and_name(role_arn)
    request = _request(f"arn:aws:sts::{account}:assumed-role/{name}/service", account, action, resource, {})
    request.secure_transport = True
    return _both(request, _policies_of_role(name, account), *_bucket_policy_and_owner(resource))


def _bucket_policy_and_owner(resource: str) -> tuple[str, str | None]:
    """Return the policy of a bucket, given its ARN or that of an object, and the account that owns it."""
    bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
    owner = s3._bucket_owner_account(bucket)
    return (s3._bucket_policies.get_scoped(owner, None, bucket) if owner else None) or "", owner


CALLS: set[tuple[str, str, str, bool]] = set()
"""Every decision on a call of a principal other than root: principal, action, resource, allowed."""


def calls() -> list[dict[str, object]]:
    """Return the decisions for ``/_sandbox/calls``."""
    return [dict(zip(("principal", "action", "resource", "allowed"), call, strict=True)) for call in sorted(CALLS)]


def recorded(
    enforce: Callable[..., Any],
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - the emulator's own result: None when allowed
    """Let the emulator decide on a call, and record the decision."""
    denied = None
    for resource in _decided_on(action, resource_arn):
        denied = denied or enforce(access_key, action, service, region, resource, service_context)
    if not iam.is_root_access_key(access_key):
        # S3 Control is authorized before the emulator pins the caller of a request.
        caller = getattr(iam.resolve_principal(access_key, get_account_id()), "arn", iam.caller_arn())
        CALLS.add((caller, action, resource_arn, denied is None))
    return denied


def _decided_on(action: str, resource_arn: str) -> list[str]:
    """Return the ARNs of all resources that a call needs a permission on.

    For a table of the Data Catalog they include its database and the catalog, for the deletion of a database all that
    is in it (AWS Glue Developer Guide, "Specifying AWS Glue resource ARNs").
    """
    glue, *path = re.split(":(?:database|table)/", resource_arn)
    if not path or ":glue:" not in resource_arn or "Tag" in action:
        return [resource_arn]
    database = path[0].partition("/")[0]
    inside = [f"{glue}:{kind}/{database}/*" for kind in ("table", "userDefinedFunction")]
    return list(dict.fromkeys([
        f"{glue}:catalog",
        f"{glue}:database/{database}",
        resource_arn,
        *(inside if action == "glue:DeleteDatabase" else []),
    ]))  # fmt: skip


S3_ACTIONS = {
    "abac": {"GET": "GetBucketAbac"},
    "metadataTable": {"GET": "GetBucketMetadataTableConfiguration"},
}
"""Parameter of a request to S3 → method → action, where the emulator knows none."""

# The resource of a call, if the emulator would use ``*``: service → parameter → ARN.
_RESOURCES = {
    "logs": {
        "destinationName": "arn:aws:logs:{region}:{account}:destination:{value}",
        "logGroupIdentifier": "{value}",  # an ARN, as the official provider sends it
    },
    "iam": {"PolicySourceArn": "{value}"},
    "lambda": {"FunctionName": "arn:aws:lambda:{region}:{account}:function:{value}"},
    "monitoring": {
        "AlarmName": "arn:aws:cloudwatch:{region}:{account}:alarm:{value}",
        "AlarmNames": "arn:aws:cloudwatch:{region}:{account}:alarm:{value}",
        "DashboardName": "arn:aws:cloudwatch::{account}:dashboard/{value}",
        "DashboardNames": "arn:aws:cloudwatch::{account}:dashboard/{value}",
        "ResourceARN": "{value}",
    },
    "sns": {"ResourceArn": "{value}"},
    "events": {"ResourceARN": "{value}"},
    "athena": {"Name": "arn:aws:athena:{region}:{account}:workgroup/{value}", "ResourceARN": "{value}"},
    "sqs": {"QueueName": "arn:aws:sqs:{region}:{account}:{value}"},
}


# CloudWatch decides on listing alarms for all of them, even if the call names one
# (aws-samples/amazon-cloudwatch-auto-alarms#1).
_ON_EVERY_RESOURCE = {"DescribeAlarms"}


# The only operations that are decided on the ARN of a log group without ``:*`` (CloudWatch Logs User Guide, "CloudWatch
# Logs resources and operations"). What AWS puts in its place is in its messages of denied calls.
_ON_LOG_GROUP_ITSELF = {"ListTagsForResource", "TagResource", "UntagResource"}


def resource_of(original: Callable[..., Any], *request: Any) -> str:  # noqa: ANN401 - the emulator's function
    """Return the ARN of the resource of a call, even if the emulator does not; of several resources, the first."""
    service, _, _, headers, body, query, region, account = request
    if _operation(headers, query) in _ON_EVERY_RESOURCE:
        return "*"
    parameters = {**query, **parsed(body)}
    if service == "events" and (rule := parameters.get("Rule") or parameters.get("Name")):
        # The ARN of a rule on the default bus does not contain it (Service Authorization Reference, "EventBridge").
        bus = parameters.get("EventBusName", "default").rpartition("/")[2]
        return f"arn:aws:events:{region}:{account}:rule/{rule if bus == 'default' else f'{bus}/{rule}'}"
    if service == "glue" and (arn := _in_the_catalog(_operation(headers, query), parameters, region, account)):
        return arn
    if service == "athena":
        return _athena_resource(parameters, region, account)
    resource = str(original(*request))
    if service == "iam" and ":role/" in resource:
        return _with_path(resource, parameters, account)
    if service == "lambda" and (qualifier := _listed(query.get("Qualifier", []))):
        # A call of a version or alias is decided on its ARN (Lambda Developer Guide, "Versions and policies").
        return f"{resource}:{qualifier[0]}"
    if resource == "*":
        named = {name: arn for name, arn in _RESOURCES.get(service, {}).items() if parameters.get(name)}
        for parameter, arn in list(named.items())[:1]:
            resource = arn.format(region=region, account=account, value=_listed(parameters[parameter])[0])
    if service == "logs" and ":log-group:" in resource and _operation(headers, query) not in _ON_LOG_GROUP_ITSELF:
        return f"{resource.removesuffix(':*')}:log-stream:{parameters.get('logStreamName', '')}"
    return resource


def _with_path(role_arn: str, parameters: Mapping[str, Any], account: str) -> str:
    """Return the ARN of a role with its path, by which permissions on it are decided (IAM User Guide, "IAM ARNs")."""
    role = iam_service._roles.get_scoped(account, None, role_arn.rpartition("/")[2])
    path = role["Path"] if role is not None else next(iter(_listed(parameters.get("Path", []))), "/")
    return role_arn.replace(":role/", f":role{path}", 1)


def conditions_of(original: Callable[..., dict[str, Any]], service: str, action: str, *request: Any) -> dict[str, Any]:  # noqa: ANN401 - the emulator's function
    """Return the condition keys of a call, with those that the emulator lacks.

    Sources: Service Authorization Reference, "AWS Lambda"; EventBridge User Guide, "Using IAM policy conditions".
    """
    keys, parameters = dict(original(service, action, *request)), parsed(request[0])
    if action == "lambda:AddPermission":
        keys["lambda:Principal"] = parameters.get("Principal")
    if action == "events:PutTargets":
        keys["events:TargetArn"] = [target["Arn"] for target in parameters["Targets"]]
    if action == "events:PutRule":
        pattern = parsed(parameters.get("EventPattern", "").encode())
        for field in ("source", "detail-type"):
            values = _listed(pattern.get(field, []))
            keys[f"events:{field}"] = values[0] if len(values) == 1 else values or None
    return {key: value for key, value in keys.items() if value is not None}


def _in_the_catalog(operation: str, parameters: Mapping[str, Any], region: str, account: str) -> str | None:
    """Return the ARN of a database or table of the Data Catalog, which the emulator confuses; None: neither."""
    glue = f"arn:aws:glue:{region}:{account}"
    name = next(
        (item["Name"] for key in ("DatabaseInput", "TableInput") if (item := parameters.get(key))),
        parameters.get("Name", parameters.get("TableName")),
    )
    if "ResourceArn" in parameters:
        return str(parameters["ResourceArn"])
    if database := parameters.get("DatabaseName"):
        return f"{glue}:table/{database}/{name}" if name else f"{glue}:database/{database}"
    return f"{glue}:database/{name}" if name and operation.endswith("Database") else None


def _athena_resource(parameters: Mapping[str, Any], region: str, account: str) -> str:
    """Return the ARN of the workgroup of a call, or of its query."""
    if resource := parameters.get("ResourceARN"):
        return str(resource)
    if catalog := parameters.get("CatalogName"):
        return f"arn:aws:athena:{region}:{account}:datacatalog/{catalog}"
    # Named queries of several workgroups in one call are not imitated.
    named = parameters.get("NamedQueryId") or next(iter(parameters.get("NamedQueryIds") or ()), None)
    query = athena._executions.get_scoped(account, region, parameters.get("QueryExecutionId")) or (
        athena._named_queries.get_scoped(account, region, named)
    )
    name = query["WorkGroup"] if query else parameters.get("WorkGroup") or parameters.get("Name") or "primary"
    return f"arn:aws:athena:{region}:{account}:workgroup/{name}"


def _operation(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """Return the name of the operation of a call in the query or a JSON protocol; empty for REST."""
    action = _listed(query.get("Action", []))
    return str(action[0]) if action else headers.get("x-amz-target", "").rpartition(".")[2]


def parsed(body: bytes) -> dict[str, Any]:
    """Return the parameters in a JSON body; those in a form are already in the query."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _policies_of_role(name: str, account: str) -> list[list[Any]]:
    """Return the policies of a role, and then its permissions boundary, if any: it is allowed what both allow."""
    return [iam._gather_role_policies(name, account), *iam._permissions_boundary(iam_service._roles, name, account)]


def _both(
    request: iam.EvalContext, policies: list[list[Any]], resource_policy: str | None, owner: str | None = None
) -> bool:
    """Return the decision of a principal's policies, within its boundary, and of the resource's policy."""
    decided = iam.evaluate(request, *policies)
    if resource_policy is not None:
        account = owner or parse_arn(request.resource_arn).account_id
        decided = iam.combine_resource_policy(
            decided, request, resource_policy, account, required=owner is None, limits=tuple(policies[1:])
        )
    return bool(decided.decision == "Allow")


def _request(principal: str, account: str, action: str, resource: str, context: Context) -> iam.EvalContext:
    return iam.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={key.lower(): value for key, value in context.items()},
    )


def _decides(request: iam.EvalContext, documents: list[dict[str, Any]]) -> bool:
    parsed = [iam.parse_policy_document(document) for document in documents]
    return bool(iam.evaluate(request, parsed).decision == "Allow")


def _role(role_arn: str) -> dict[str, Any] | None:
    try:
        account, name = _account_and_name(role_arn)
    except ArnParseError:
        return None
    role: dict[str, Any] | None = iam_service._roles.get_scoped(account, None, name)
    return role


def _account_and_name(role_arn: str) -> tuple[str, str]:
    parsed = parse_arn(role_arn)
    return parsed.account_id, parsed.resource.rsplit("/", 1)[-1]


def _statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    parsed = json.loads(document) if isinstance(document, str) else document
    return _listed(parsed.get("Statement", []))


def _principal(statement: dict[str, Any], kind: str) -> Any:  # noqa: ANN401 - a string or a list
    principal = statement.get("Principal", {})
    return principal.get(kind, []) if isinstance(principal, dict) else []


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - as above
    return value if isinstance(value, list) else [value]
