"""Signed digests, and what ``ops integrity`` sees after an attack on the bucket. S3 and KMS are a few lines here."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from components.archive_outputs import ArchiveOutputs
from functions.digest import digests, handler
from ops import integrity
from ops.errors import OperatorError
from ops.integrity import Finding, Proof, verify

BUCKET, KEY, OTHER_KEY = "archive-bucket-1", "arn:key/signing", "arn:key/another"
DAY = date(2026, 5, 10)
LAYOUTS = {
    "dated": "logs/date={day}/hour=00/",
    "partitioned": "logs/account=222222222222/region=eu-west-1/date={day}/",
    "partitioned-by-group": "logs/account=222222222222/region=eu-west-1/group=_aws_lambda_shop/date={day}/",
}


class S3:
    """A bucket with versions, two items on a page."""

    def __init__(self) -> None:
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.now, self._ids = datetime(2026, 5, 10, tzinfo=UTC), count(1)

    def put_object(self, *, Key: str, Body: bytes, Metadata: dict[str, str] | None = None, **_: object) -> None:  # noqa: N803
        older = self.history.setdefault(Key, [])
        for each in older:
            each["IsLatest"] = False
        entry = {"Key": Key, "VersionId": f"v{next(self._ids)}", "IsLatest": True, "LastModified": self.now}
        etag = f'"{hashlib.md5(Body).hexdigest()}"'  # noqa: S324 - as S3 makes it
        older.append({**entry, "Body": Body, "Metadata": Metadata or {}, "ETag": etag, "Size": len(Body)})

    def delete(self, key: str, *, for_good: bool = False) -> None:
        if for_good:
            del self.history[key]
        else:
            self.history[key][-1]["IsLatest"] = False

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        found = self.history[Key][-1]
        return {"Body": io.BytesIO(found["Body"]), "Metadata": found["Metadata"]}

    def get_paginator(self, operation: str) -> Any:  # noqa: ANN401 - boto3
        kind = {"list_objects_v2": "Contents", "list_object_versions": "Versions"}[operation]

        class Pages:
            def paginate(_, *, Bucket: str, Prefix: str, Delimiter: str = "") -> Any:  # noqa: ANN401, ARG002, N803, N805
                found: list[tuple[str, Any]] = []
                for key in sorted(key for key in self.history if key.startswith(Prefix)):
                    head, cut, _rest = key.removeprefix(Prefix).partition(Delimiter or "\0")
                    if cut:
                        found.append(("CommonPrefixes", {"Prefix": f"{Prefix}{head}{cut}"}))
                    else:
                        listed = [v for v in self.history[key] if kind == "Versions" or v["IsLatest"]]
                        found += [(kind, each) for each in listed]
                unique = [each for i, each in enumerate(found) if each not in found[:i]]
                for at in range(0, len(unique), 2):
                    page: dict[str, list[Any]] = {}
                    for name, each in unique[at : at + 2]:
                        page.setdefault(name, []).append(each)
                    yield page

        return Pages()


class Kms:
    """Keys whose signatures are hashes."""

    def sign(self, *, KeyId: str, Message: bytes, **_: str) -> dict[str, bytes]:  # noqa: N803
        return {"Signature": hashlib.sha256(KeyId.encode() + Message).digest()}

    def verify(self, *, KeyId: str, Message: bytes, Signature: bytes, **_: str) -> None:  # noqa: N803
        if Signature != hashlib.sha256(KeyId.encode() + Message).digest():
            raise ClientError({"Error": {"Code": "KMSInvalidSignatureException", "Message": ""}}, "Verify")


class Archive:
    """An archive into which an object arrives every few hours, and whose function runs each morning."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, layout: str = "dated") -> None:
        self.s3, self.kms, self._monkeypatch, self._layout = S3(), Kms(), monkeypatch, LAYOUTS[layout]
        clients = {"s3": self.s3, "kms": self.kms}
        monkeypatch.setattr(boto3, "client", clients.get)

        class Role:
            def __init__(self, *_: str) -> None: ...

            def client(self, service: str, _region: str) -> Any:  # noqa: ANN401 - boto3
                return clients[service]

        monkeypatch.setattr(integrity, "AssumedRole", Role)
        for name, value in {"BUCKET": BUCKET, "SIGNING_KEY": KEY, "GRACE_HOURS": "6"}.items():
            monkeypatch.setenv(name, value)

    def put(self, name: str, moment: datetime, *, day: date | None = None) -> str:
        """Put an object at a moment, with the date of that day in its key unless another is given."""
        self.s3.now = moment
        key = self._layout.format(day=day or moment.date()) + name
        self.s3.put_object(Key=key, Body=name.encode())
        return key

    def run(self, moment: datetime) -> list[str]:
        """Run the function at a moment."""
        self.s3.now = moment

        self._monkeypatch.setattr(handler, "datetime", SimpleNamespace(now=lambda _: moment))
        return handler.handler({"digestEndTime": "what a caller passes"}, None)["digests"]

    def days(self, number: int) -> None:
        """Let days pass, with three objects and a digest each."""
        for each in range(number):
            midnight = at(0) + timedelta(days=each)
            for hour in (1, 12, 23):
                self.put(f"object-{hour}", midnight + timedelta(hours=hour))
            self.run(midnight + timedelta(days=1, hours=6, minutes=15))

    def prove(self, first: date = DAY, days: int = 3, *, key: str = KEY) -> Proof:
        """Verify days, on the noon after the last of them."""
        last = first + timedelta(days=days - 1)
        outputs: Any = ArchiveOutputs(
            stack="archive", account="111111111111", region="eu-west-1", bucket=BUCKET, stream="s", layout="dated",
            transformed=False, originals=False, destinations={}, topics={}, admitted_accounts=(),
            admitted_organization=None, integrity={"signingKey": key, "graceHours": 6},
        )  # fmt: skip
        now = at(12) + timedelta(days=(last - DAY).days + 1)
        return verify(outputs, "archive", first, last, now=now, on_progress=lambda *_: None)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=UTC)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Three days, with a digest for each."""
    made = Archive(monkeypatch)
    made.days(3)
    return made


def problems(proof: Proof) -> list[tuple[str, str]]:
    return [(each.problem, each.subject) for each in proof.findings]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_nobody_touched_is_intact_in_every_layout(monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    archive = Archive(monkeypatch, layout)
    archive.days(3)
    assert archive.prove() == Proof(digests=3, objects=9, pending=0, findings=[])


FIRST = "logs/date=2026-05-10/hour=00/object-12"
LAST_DIGEST = "digests/2026-05-12.0001.json"
MIDDLE_DIGEST = "digests/2026-05-11.0001.json"


def _delete(archive: Archive) -> None:
    archive.s3.delete(FIRST)


def _delete_for_good(archive: Archive) -> None:
    archive.s3.delete(FIRST, for_good=True)


def _overwrite(archive: Archive) -> None:
    archive.s3.now = at(12) + timedelta(days=3)
    archive.s3.put_object(Key=FIRST, Body=b"nothing happened")


def _add(archive: Archive) -> None:
    archive.put("forged", at(12) + timedelta(days=9), day=DAY)


def _add_late_on_a_covered_day(archive: Archive) -> None:
    archive.put("forged", at(13))


def _delete_a_digest(archive: Archive) -> None:
    archive.s3.delete(MIDDLE_DIGEST, for_good=True)


def _delete_the_last_digest(archive: Archive) -> None:
    archive.s3.delete(LAST_DIGEST, for_good=True)


def _delete_an_object_and_all_digests(archive: Archive) -> None:
    archive.s3.delete(FIRST, for_good=True)
    for key in list(digests.keys(archive.s3, BUCKET)):
        archive.s3.delete(key, for_good=True)
    archive.run(at(6, 15) + timedelta(days=3))


def _rewrite(archive: Archive, sign: Callable[[bytes], str]) -> None:
    """Delete an object, and take it out of the digest."""
    archive.s3.delete(FIRST, for_good=True)
    key = "digests/2026-05-10.0001.json"
    content = json.loads(archive.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    content["objects"] = [each for each in content["objects"] if each["s3Object"] != FIRST]
    body = json.dumps(content).encode()
    archive.s3.put_object(Key=key, Body=body, Metadata={"signature": sign(body)})


def _rewrite_with_another_key(archive: Archive) -> None:
    _rewrite(archive, lambda body: digests.sign(archive.kms, OTHER_KEY, body))


def _rewrite_without_a_signature(archive: Archive) -> None:
    _rewrite(archive, lambda _: "")


def _rewrite_with_nonsense(archive: Archive) -> None:
    _rewrite(archive, lambda _: "no hexadecimal")


def _copy_a_digest_over_another(archive: Archive) -> None:
    found = archive.s3.history[MIDDLE_DIGEST][-1]
    archive.s3.put_object(Key=LAST_DIGEST, Body=found["Body"], Metadata=found["Metadata"])


@pytest.mark.parametrize(
    ("attack", "seen"),
    [
        (_delete, [("missing", FIRST)]),
        (_delete_for_good, [("missing", FIRST)]),
        (_overwrite, [("changed", FIRST), ("added", FIRST)]),
        (_add, [("added", "logs/date=2026-05-10/hour=00/forged")]),
        (_add_late_on_a_covered_day, [("added", "logs/date=2026-05-10/hour=00/forged")]),
        (_delete_a_digest, [("broken chain", LAST_DIGEST), ("no digest", "2026-05-11")]),
        (_delete_the_last_digest, [("no digest", "2026-05-12")]),
        (_delete_an_object_and_all_digests, [("no digest", "2026-05-10"), ("no digest", "2026-05-11")]),
        (_rewrite_with_another_key, [("not signed", "digests/2026-05-10.0001.json")]),
        (_rewrite_without_a_signature, [("not signed", "digests/2026-05-10.0001.json")]),
        (_rewrite_with_nonsense, [("not signed", "digests/2026-05-10.0001.json")]),
        (_copy_a_digest_over_another, [("not signed", LAST_DIGEST), ("no digest", "2026-05-12")]),
    ],
)
def test_every_attack_is_seen(archive: Archive, attack: Callable[[Archive], None], seen: list[tuple[str, str]]) -> None:
    attack(archive)
    found = problems(archive.prove())
    assert set(found) >= set(seen)
    unrelated = {"missing", "changed"} - {problem for problem, _ in seen}
    assert not unrelated & {problem for problem, _ in found}


def test_a_digest_that_was_deleted_before_the_next_run_is_seen_although_a_new_one_covers_its_day(
    archive: Archive,
) -> None:
    archive.s3.delete("logs/date=2026-05-12/hour=00/object-12", for_good=True)
    archive.s3.delete(LAST_DIGEST, for_good=True)
    assert archive.run(at(6, 15) + timedelta(days=4)) == ["digests/2026-05-13.0001.json"]
    assert ("no digest", "2026-05-12") in problems(archive.prove())


def test_a_forged_digest_of_the_future_does_not_keep_the_function_from_covering_today(archive: Archive) -> None:
    archive.s3.put_object(Key="digests/2030-01-01.0001.json", Body=b"{}", Metadata={"signature": "00"})
    assert archive.run(at(6, 15) + timedelta(days=4)) == ["digests/2026-05-13.0001.json"]


def test_an_object_that_arrives_after_midnight_is_in_the_next_digest_and_not_reported(archive: Archive) -> None:
    archive.put("late", at(5) + timedelta(days=3), day=date(2026, 5, 12))
    assert archive.prove() == Proof(digests=3, objects=9, pending=1, findings=[])
    archive.run(at(6, 15) + timedelta(days=4))
    assert archive.prove() == Proof(digests=4, objects=10, pending=0, findings=[])


def test_a_second_run_of_a_day_writes_nothing(archive: Archive) -> None:
    assert archive.run(at(20) + timedelta(days=3)) == []


def test_what_does_not_fit_into_a_file_follows_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MAX_OBJECTS", 2)
    archive = Archive(monkeypatch)
    archive.days(2)
    assert list(digests.keys(archive.s3, BUCKET)) == [
        f"digests/2026-05-{day}.000{part}.json" for day in (10, 11) for part in (1, 2)
    ]
    assert archive.prove(days=2) == Proof(digests=4, objects=6, pending=0, findings=[])
    archive.s3.delete("digests/2026-05-11.0002.json", for_good=True)
    assert ("no digest", "2026-05-11") in problems(archive.prove(days=2))


def test_a_later_period_is_chained_to_the_digest_before_it(archive: Archive) -> None:
    assert archive.prove(date(2026, 5, 12), days=1) == Proof(digests=2, objects=3, pending=0, findings=[])
    archive.s3.delete(MIDDLE_DIGEST, for_good=True)
    found = problems(archive.prove(date(2026, 5, 12), days=1))
    assert found == [("broken chain", LAST_DIGEST)]


def test_a_signature_of_another_bucket_does_not_count(archive: Archive) -> None:
    digest = digests.read(archive.s3, BUCKET, LAST_DIGEST)
    assert digests.is_signed(archive.kms, KEY, BUCKET, digest)
    assert not digests.is_signed(archive.kms, KEY, "archive-bucket-2", digest)


def test_days_before_the_first_digest_are_not_called_intact(archive: Archive) -> None:
    (finding,) = archive.prove(date(2026, 5, 9), days=2).findings
    reason = "the function failed, or was not there yet, or a digest was deleted"
    assert finding == Finding("2026-05-09", "no digest", reason)


def test_an_archive_without_digests_is_an_error_that_says_how_to_get_them() -> None:
    with pytest.raises(OperatorError, match=r"set archive\.integrity: true in its stack file"):
        verify(
            ArchiveOutputs(
                stack="archive", account="1", region="eu-west-1", bucket=BUCKET, stream="s", layout="dated",
                transformed=False, originals=False, destinations={}, topics={}, admitted_accounts=(),
                admitted_organization=None,
            ),
            "archive", DAY, DAY, now=at(12), on_progress=lambda *_: None,
        )  # fmt: skip
