"""Archives of many kinds are adopted while events never stop, by a person who only does what ``ops adopt`` prints.

The bootstrap templates are deployed with the printed parameters, nothing else. Everybody's events are counted: those of
the archive, and those of whoever shares a role with it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import shlex
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from ops.adopt.bootstrap import OWN_ROLE
from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.server import ROOT
from tests.sandbox.checkout import Checkout
from tests.sandbox.existing_archive import DECOMPRESSION, DELIMITER, eventually
from tests.sandbox.stacks import Stacks, write

HOME = "eu-west-1"
PERSON = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"
IMPORT = ("--protect=false", "--generate-code=false", "--yes")
COMMAND = re.compile(r"aws cloudformation deploy --template-file .*")
_POLLING = {"Delay": 0.05, "MaxAttempts": 1200}

FUNCTION = """
import base64, gzip

def handler(event, context):
    # As in AWS's blueprint: what was compressed comes out as lines.
    def result(record):
        lines = gzip.decompress(base64.b64decode(record["data"])) + b"\\n"
        return {"recordId": record["recordId"], "result": "Ok", "data": base64.b64encode(lines).decode()}

    return {"records": [result(record) for record in event["records"]]}
"""


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class Central:
    """A central account that somebody set up by hand, as in tutorials.

    Attributes:
        stacks: the cloud.
        account: the central account.
        senders: the application accounts, each with the log group ``/app``.
        organization: the organization that destinations admit; None: they admit the senders.
        stream: what its stream has beside role and bucket.
    """

    stacks: Stacks
    account: str
    senders: tuple[str, ...]
    organization: str | None = None
    stream: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bucket = f"logs-{self.account}"
        self.make_bucket(self.bucket)
        self.delivery = self.role("FirehosetoS3Role", "firehose.amazonaws.com", "s3:*", "lambda:*", "kms:*")
        self.sender = self.role("CWLtoFirehose", "logs.amazonaws.com", "firehose:*", "kms:*")

    def client(self, service: str, account: str | None = None, region: str = HOME) -> Any:  # noqa: ANN401 - boto3
        return self.stacks.client(service, account=account or self.account, region=region)

    def make_bucket(self, name: str) -> None:
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": HOME})

    def role(self, name: str, service: str, *actions: str, account: str | None = None) -> str:
        iam = self.client("iam", account)
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"])
        allowed = document({"Effect": "Allow", "Action": list(actions), "Resource": "*"})
        iam.put_role_policy(RoleName=name, PolicyName="Permissions", PolicyDocument=allowed)
        return arn

    def make_stream(self, name: str, bucket: str, **more: Any) -> str:  # noqa: ANN401 - as AWS spells it
        to = {"RoleARN": self.delivery, "BucketARN": f"arn:aws:s3:::{bucket}"}
        hints = {"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}}
        encryption = {key: more.pop(key) for key in [*more] if key.startswith("DeliveryStream")}
        return str(
            self.client("firehose").create_delivery_stream(
                DeliveryStreamName=name, ExtendedS3DestinationConfiguration={**to, **hints, **more}, **encryption
            )["DeliveryStreamARN"]
        )

    def make_destination(self, name: str, stream: str, *senders: str, region: str = HOME) -> str:
        logs = self.client("logs", region=region)
        made = logs.put_destination(destinationName=name, targetArn=stream, roleArn=self.sender)
        arn = str(made["destination"]["arn"])
        admit: dict[str, Any] = {"Effect": "Allow", "Action": "logs:PutSubscriptionFilter", "Resource": arn}
        if self.organization is not None:
            # Written in lower case by hand: AWS does not care.
            within = {"StringEquals": {"aws:principalorgid": self.organization}}
            admit |= {"Principal": {"AWS": "*"}, "Condition": within}
        else:
            admit |= {"Principal": {"AWS": list(senders)}}
        logs.put_destination_policy(destinationName=name, accessPolicy=document(admit))
        return arn

    def subscribe(self, account: str, group: str, destination: str, *, name: str = "MyFilter") -> None:
        logs = self.client("logs", account)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        of_account = {"roleArn": f"arn:aws:iam::{account}:role/Subscriptions"} if self.organization else {}
        logs.put_subscription_filter(
            logGroupName=group, filterName=name, filterPattern="", destinationArn=destination, **of_account
        )

    def make(self) -> None:
        """Make the archive, and subscribe the senders."""
        stream = self.make_stream("waf-logs", self.bucket, **self.stream)
        if self.organization is not None:
            for account in self.senders:
                self.stacks.ask(f"join/{account}/{self.organization}")
                self.role("Subscriptions", "logs.amazonaws.com", "logs:PutLogEvents", account=account)
        destination = self.make_destination("waf", stream, *self.senders)
        for account in self.senders:
            self.subscribe(account, "/app", destination)

    def arrived(self, bucket: str | None = None) -> Counter[str]:
        """How often each event is in a bucket, however often it is compressed."""
        s3, name = self.client("s3"), bucket or self.bucket
        found: Counter[str] = Counter()
        for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
            body = s3.get_object(Bucket=name, Key=item["Key"])["Body"].read()
            if body.startswith(b"\x1f\x8b"):
                body = gzip.decompress(body)
            found.update(re.findall(r"event-\w+\.", body.decode()))
        return found


def deploy(central: Central, command: str, accounts: tuple[str, ...]) -> None:
    """Deploy a template as a printed command says, in each of its accounts."""
    words = shlex.split(command)
    template = words[words.index("--template-file") + 1]
    given = [word.replace("PRINCIPAL", PERSON) for word in words[words.index("--parameter-overrides") + 1 :]]
    stack: dict[str, Any] = {
        "StackName": words[words.index("--stack-name") + 1],
        "TemplateBody": (ROOT / template).read_text(encoding="utf-8"),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [
            dict(zip(("ParameterKey", "ParameterValue"), each.split("=", 1), strict=True)) for each in given
        ],
    }
    for account in accounts if "application" in template else (central.account,):
        formation = central.client("cloudformation", account)
        try:
            formation.create_stack(**stack)
        except formation.exceptions.AlreadyExistsException:
            # Like aws cloudformation deploy: what is not given keeps its value.
            (now,) = formation.describe_stacks(StackName=stack["StackName"])["Stacks"]
            names = {each["ParameterKey"] for each in stack["Parameters"]}
            kept = [each for each in now["Parameters"] if each["ParameterKey"] not in names]
            with contextlib.suppress(formation.exceptions.ClientError):  # no updates are to be performed
                formation.update_stack(**{**stack, "Parameters": [*stack["Parameters"], *kept]})
            continue
        formation.get_waiter("stack_create_complete").wait(StackName=stack["StackName"], WaiterConfig=_POLLING)


@dataclass
class Adoption:
    """The steps of docs/adopting.md, for one archive."""

    central: Central
    checkout: Checkout
    stack: str
    options: tuple[str, ...] = ()

    def ops(self, command: str, *arguments: str, status: int = 0) -> str:
        return self.checkout.ops(command, "-s", self.stack, *arguments, status=status)

    def adopt(self, status: int = 0) -> str:
        where = ("--account", self.central.account, "--region", HOME)
        return self.ops("adopt", *where, *self.options, "--json", status=status)

    def prepare(self) -> dict[str, Any]:
        """Create the deployer roles, and then whatever ``adopt`` asks for; return what it says in the end."""
        deploy(self.central, f"{_DEPLOY}/archive-account.yaml {_WITH} TrustedPrincipals=PRINCIPAL", ())
        asked = COMMAND.findall(self.adopt(status=2))
        assert [shlex.split(command)[4] for command in asked] == [
            "bootstrap/archive-account.yaml", "bootstrap/application-account.yaml",
        ]  # fmt: skip
        for command in asked:
            deploy(self.central, command, self.central.senders)
        for command in COMMAND.findall(self.adopt(status=2)):  # whose bucket it is was not known before
            deploy(self.central, command, self.central.senders)
        for template, values in json.loads(self.adopt())["bootstrap"].items():
            parameters = " ".join(f"{name}={value}" for name, value in values.items())
            deploy(self.central, f"{_DEPLOY}/{template} {_WITH} {parameters}", self.central.senders)
        said: dict[str, Any] = json.loads(self.adopt())
        return said

    def edit(self, **changed: Any) -> None:  # noqa: ANN401 - keys of the archive; None removes one
        file = self.checkout.folder / f"Pulumi.{self.stack}.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        archive = content["config"]["central-log-archive:archive"] | changed
        content["config"]["central-log-archive:archive"] = {
            key: value for key, value in archive.items() if value is not None
        }
        file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def bring_in(self) -> None:
        self.checkout.pulumi("import", "-s", self.stack, "--file", f"import-{self.stack}.json", *IMPORT)

    def update(self) -> None:
        steps = json.loads(self.checkout.pulumi("preview", "-s", self.stack, "--json"))["steps"]
        assert {step["op"] for step in steps} <= {"create", "read", "same", "update"}
        self.checkout.pulumi("up", "-s", self.stack, "--yes", "--skip-preview")
        assert "lost" not in self.ops("verify", "--timeout", "60")

    def retire(self) -> list[dict[str, Any]]:
        """Delete the old filters, and then all that nothing uses anymore; return what stays."""
        while True:
            left: list[dict[str, Any]] = json.loads(self.ops("retire", "--yes", "--json"))["left"]
            streams = [each for each in left if each["kind"] == "stream" and each["delete"]]
            if not streams:
                return left
            for each in streams:
                name = shlex.split(each["delete"])[-1]
                self.central.client("firehose").delete_delivery_stream(DeliveryStreamName=name)


_DEPLOY = "aws cloudformation deploy --template-file bootstrap"
_WITH = "--stack-name central-log-archive --capabilities CAPABILITY_NAMED_IAM --parameter-overrides"


@contextlib.contextmanager
def events(stacks: Stacks, *places: tuple[str, str]) -> Iterator[Callable[[], Counter[tuple[str, str]]]]:
    """Write events into log groups in turn, ten a second each.

    Yields:
        A function that returns how many events each log group has.
    """
    over, counts = threading.Event(), Counter[tuple[str, str]]()

    def go_on() -> None:
        while not over.wait(0.1 / len(places)):
            place = places[counts.total() % len(places)]
            account, group = place
            write(stacks, f"event-{account}_{counts[place]}.", account=account, group=group)
            counts[place] += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield lambda: Counter(counts)
    finally:
        over.set()
        writer.join()


def assert_nothing_lost(central: Central, counts: Counter[tuple[str, str]], bucket: str | None = None) -> None:
    wanted = {f"event-{account}_{number}." for (account, _), count in counts.items() for number in range(count)}

    def lost() -> set[str]:
        return wanted - central.arrived(bucket).keys()

    assert eventually(lambda: not lost(), 30), f"{len(lost())} of {len(wanted)} are lost"
    assert set(central.arrived(bucket).values()) <= {1, 2}  # twice while there were two filters


def mine(counts: Counter[tuple[str, str]], *accounts: str) -> Counter[tuple[str, str]]:
    return Counter({place: count for place, count in counts.items() if place[0] in accounts})


@pytest.fixture(scope="module")
def checkout(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout") / "project", stacks)


def adoption(central: Central, checkout: Checkout, *options: str) -> Adoption:
    stack = f"adopted-{central.account[-3:]}"
    checkout.init(stack)
    return Adoption(central, checkout, stack, options)


def test_whoever_shares_roles_with_the_archive_loses_nothing(stacks: Stacks, checkout: Checkout) -> None:
    central = Central(stacks, "100000000001", ("200000000001",))
    central.make()
    # Beside us: another destination with the same sender role, whose stream has the same delivery role.
    central.make_bucket(siem := "siem-100000000001")
    other = central.make_stream("siem", siem, ProcessingConfiguration=DECOMPRESSED)
    central.subscribe("200000000009", "/siem", central.make_destination("siem", other, "200000000009"))
    steps = adoption(central, checkout, "--stream", "waf-logs")
    with events(stacks, ("200000000001", "/app"), ("200000000009", "/siem")) as count:
        said = steps.prepare()
        assert "a new stream replaces waf-logs, which does not decompress records" in said["changes"][0]
        steps.edit(senderRoleName="CWLtoFirehose")
        assert "other destinations use the role CWLtoFirehose too" in steps.adopt(status=2)
        steps.edit(senderRoleName=OWN_ROLE)
        steps.bring_in()
        steps.update()
        left = {each["name"].rpartition("/")[2]: each["usedBy"] for each in steps.retire()}
        assert left == {
            "CWLtoFirehose": ["destination siem in eu-west-1"],
            "FirehosetoS3Role": ["stream siem"],
        }
        retired = count()
        assert eventually(lambda: count().total() > retired.total() + 20)
    assert_nothing_lost(central, mine(count(), "200000000001"))
    assert_nothing_lost(central, mine(count(), "200000000009"), siem)


DECOMPRESSED = {"Enabled": True, "Processors": [DECOMPRESSION, DELIMITER]}


def test_a_stream_with_a_function_and_a_key_is_kept_and_plain_objects_stay_plain(
    stacks: Stacks, checkout: Checkout
) -> None:
    central = Central(stacks, "100000000002", ("200000000002",))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as code:
        code.writestr("lines.py", FUNCTION)
    role = central.role("Lines", "lambda.amazonaws.com", "logs:*")
    arn = central.client("lambda").create_function(
        FunctionName="lines", Role=role, Runtime="python3.13", Handler="lines.handler", Timeout=60,
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]  # fmt: skip
    key = central.client("kms").create_key()["KeyMetadata"]["Arn"]
    central.stream = {
        "ProcessingConfiguration": {"Enabled": True, "Processors": [
            {"Type": "Lambda", "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": arn}]},
        ]},
        "FileExtension": ".json",
        "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key},
    }  # fmt: skip
    central.make()
    steps = adoption(central, checkout)
    with events(stacks, ("200000000002", "/app")) as count:
        said = steps.prepare()
        assert said["adopted"]["archive-stream"].endswith("/waf-logs")
        assert "new objects have the extension of their compression instead of .json" in said["changes"]
        assert not any("compressed" in line for line in said["changes"])
        steps.bring_in()
        steps.update()
        steps.retire()
        retired = count()
        assert eventually(lambda: count().total() > retired.total() + 20)
    assert_nothing_lost(central, count())
    described = central.client("firehose").describe_delivery_stream(DeliveryStreamName="waf-logs")
    stream = described["DeliveryStreamDescription"]
    assert stream["DeliveryStreamEncryptionConfiguration"]["KeyARN"] == key
    assert "KMSEncryptionConfig" not in stream["Destinations"][0]["ExtendedS3DestinationDescription"].get(
        "EncryptionConfiguration", {}
    )


def test_an_organization_whose_accounts_are_named_is_adopted_with_roles_for_its_filters(
    stacks: Stacks, checkout: Checkout
) -> None:
    central = Central(stacks, "100000000003", ("200000000003", "200000000004"), organization="o-adopted0001")
    key = central.client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    central.client("s3").put_bucket_encryption(
        Bucket=central.bucket, ServerSideEncryptionConfiguration={"Rules": [default]}
    )
    central.make()
    unnamed = adoption(central, checkout)
    deploy(central, f"{_DEPLOY}/archive-account.yaml {_WITH} TrustedPrincipals=PRINCIPAL", ())
    assert "name every account that sends with --application" in unnamed.adopt(status=2)
    named = (word for account in central.senders for word in ("--application", account))
    steps = Adoption(central, checkout, unnamed.stack, tuple(named))
    with events(stacks, *((account, "/app") for account in central.senders)) as count:
        said = steps.prepare()
        assert said["bootstrap"]["application-account.yaml"]["FilterRoles"] == "true"
        assert said["bootstrap"]["archive-account.yaml"]["KeyArn"] == key
        steps.bring_in()
        steps.update()
        steps.retire()
        retired = count()
        assert eventually(lambda: count().total() > retired.total() + 20)
    assert_nothing_lost(central, count())


def test_an_adoption_edited_between_its_steps_says_what_follows_and_loses_nothing(
    stacks: Stacks, checkout: Checkout
) -> None:
    central = Central(stacks, "100000000005", ("200000000005", "200000000006"))
    central.stream = {"ProcessingConfiguration": DECOMPRESSED, "CompressionFormat": "GZIP"}
    central.make()
    steps = adoption(central, checkout, "--application", "200000000005")
    everyone = (("200000000005", "/app"), ("200000000006", "/app"))
    with events(stacks, *everyone) as count:
        said = steps.prepare()
        assert said["adopted"]["archive-stream"].endswith("/waf-logs")
        steps.bring_in()
        partitioned = {"layout": "partitioned", "bufferMiB": 64, "bufferSeconds": 60, "compression": "gzip"}
        steps.edit(delivery=partitioned)
        rejected = checkout.pulumi("preview", "-s", steps.stack, ok=False)
        text = "the stream waf-logs does not partition records, unlike the layout, which requires a new stream"
        assert text in rejected
        assert text in steps.adopt(status=2)
        steps.edit(delivery={"compression": "gzip", "bufferSeconds": 0})
        again = json.loads(steps.adopt())
        assert (again["adopted"], again["importFile"]) == ({}, None)
        assert again["left"]
        steps.update()
        steps.retire()
        retired = count()
        assert eventually(lambda: count().total() > retired.total() + 20)
    # Also those of the account that was left for later, whose filter is the old one.
    assert_nothing_lost(central, count())
