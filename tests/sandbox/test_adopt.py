"""``python -m ops adopt``: an archive made by hand comes under the program, and no event is lost meanwhile."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.prepare import prepare
from tests.sandbox.by_hand import eventually
from tests.sandbox.checkout import Checkout
from tests.sandbox.stacks import Stacks, write

CENTRAL = "111111111111"
BUCKET = "company-waf-logs"
REGIONS = ("eu-west-1", "us-east-1")
SENDERS = {"222222222222": {"aws-waf-logs-shop": ""}, "333333333333": {"/app/a": "", "/app/b": "ERROR"}}
"""Application account → log group → filter pattern, in each region."""
ADOPT = ("adopt", "-s", "company", "--account", CENTRAL, "--region", "eu-west-1")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role(stacks: Stacks, name: str, service: str, *actions: str) -> str:
    """A role as tutorials make it: trusted without a condition, with more rights than it needs."""
    iam = stacks.client("iam", account=CENTRAL)
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    rights = document({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName=f"Permissions-{name}", PolicyDocument=rights)
    return str(arn)


def make_by_hand(stacks: Stacks) -> None:
    """An archive as AWS's tutorial on subscriptions across accounts makes it, with names of its own."""
    s3 = stacks.client("s3", account=CENTRAL)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    delivery = role(stacks, "FirehosetoS3Role", "firehose.amazonaws.com", "s3:*")
    stream = stacks.client("firehose", account=CENTRAL).create_delivery_stream(
        DeliveryStreamName="waf-logs",
        ExtendedS3DestinationConfiguration={"RoleARN": delivery, "BucketARN": f"arn:aws:s3:::{BUCKET}"},
    )["DeliveryStreamARN"]
    sender = role(stacks, "CWLtoFirehose", "logs.amazonaws.com", "firehose:*")
    for region in REGIONS:
        logs = stacks.client("logs", account=CENTRAL, region=region)
        made = logs.put_destination(destinationName="testFirehoseDestination", targetArn=stream, roleArn=sender)
        admit = {
            "Effect": "Allow", "Principal": {"AWS": list(SENDERS)}, "Action": "logs:PutSubscriptionFilter",
            "Resource": made["destination"]["arn"],
        }  # fmt: skip
        logs.put_destination_policy(destinationName="testFirehoseDestination", accessPolicy=document(admit))
        for account, groups in SENDERS.items():
            logs = stacks.client("logs", account=account, region=region)
            for name, pattern in groups.items():
                with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                    logs.create_log_group(logGroupName=name)
                logs.put_subscription_filter(
                    logGroupName=name, filterName="MyFilter", filterPattern=pattern,
                    destinationArn=made["destination"]["arn"],
                )  # fmt: skip


def arrived(stacks: Stacks) -> Counter[str]:
    """How often each numbered event is in the bucket, be it packed once or twice."""
    s3 = stacks.client("s3", account=CENTRAL)
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    bodies = [gzip.decompress(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()) for item in listed]
    return Counter(number for body in bodies for number in re.findall(r"event-\d+", body.decode()))


@contextlib.contextmanager
def events(stacks: Stacks) -> Iterator[Callable[[], int]]:
    """Write an event each 50 ms; yield what says how many there are."""
    over, count = threading.Event(), 0

    def go_on() -> None:
        nonlocal count
        while not over.wait(0.05):
            write(stacks, f"event-{count}")
            count += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield lambda: count
    finally:
        over.set()
        writer.join()


@pytest.fixture(scope="module")
def adopted(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    make_by_hand(stacks)
    checkout = Checkout(tmp_path_factory.mktemp("checkout") / "project", stacks)
    checkout.init("company")
    return checkout


def test_an_archive_made_by_hand_comes_under_the_program_without_interruption(adopted: Checkout) -> None:
    stacks = adopted.stacks
    refused = adopted.ops(*ADOPT, status=2)
    assert "SenderRoleName=CWLtoFirehose StreamName=waf-logs DestinationName=testFirehoseDestination" in refused
    assert "config" not in yaml.safe_load(stack_file(adopted).read_text(encoding="utf-8"))
    let_in(adopted)

    with events(stacks) as count:
        said = json.loads(adopted.ops(*ADOPT, "--json"))
        prepare([stack_file(adopted)], stacks.instance.environment())
        imported = pulumi(
            adopted, "import", "--yes", "--file", said["importFile"], "--protect=false", "--generate-code=false"
        )
        assert "7 imported" in imported  # the component too
        steps = json.loads(pulumi(adopted, "preview", "--json"))["steps"]
        by_operation = Counter(step["op"] for step in steps)
        assert by_operation.keys() == {"create", "same", "update"}, by_operation
        updated = {step["urn"].rsplit("::", 1)[-1] for step in steps if step["op"] == "update"}
        assert updated == said["adopted"].keys()
        pulumi(adopted, "up", "--yes", "--skip-preview")
        time.sleep(1)
        written = count()
        printed = adopted.ops("retire", "-s", "company", "--yes")
        assert "6 filters are deleted." in printed
    assert eventually(lambda: len(arrived(stacks)) == count())
    assert written > 20
    pulumi(adopted, "preview", "--expect-no-changes")


def stack_file(checkout: Checkout) -> Path:
    return checkout.folder / "Pulumi.company.yaml"


def let_in(checkout: Checkout) -> None:
    """Deploy the bootstrap templates with the parameters that are asked for, as an administrator does."""
    archive = {
        "account": CENTRAL, "region": "eu-west-1", "destinationRegions": list(REGIONS),
        "senders": {"accounts": list(SENDERS)}, "senderRoleName": "CWLtoFirehose", "streamName": "waf-logs",
        "destinationNames": dict.fromkeys(REGIONS, "testFirehoseDestination"), "existingBucket": BUCKET,
    }  # fmt: skip
    prepare([checkout.stacks.write({"archive": archive})], checkout.stacks.instance.environment())


def pulumi(checkout: Checkout, *arguments: str) -> str:
    done = subprocess.run(
        ["pulumi", *arguments, "-s", "company", "--color", "never"],
        cwd=checkout.folder, env=checkout.stacks.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
