"""Erasing what a stack has left: its table, and its bucket with all versions of all objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus_aws.deploying.account import Account, Refused
from nexus_aws.deploying.names import bucket_name
from nexus_sdk.building.platform import Say
from nexus_sdk.errors import DeployError, RightsMissing

ABSENT = frozenset({"404", "NoSuchBucket", "NotFound", "ResourceNotFoundException"})


class Data:
    """What holds the data of a deployment."""

    def __init__(self, account: Account, title: str) -> None:
        self._account = account
        self._table = title
        self._bucket = bucket_name(title, account.number, account.region)

    def found(self) -> list[str]:
        """What is there of it, in words."""
        told = []
        if self._is_there("dynamodb", "DescribeTable", TableName=self._table):
            told.append(f"table {self._table}")
        if self._is_there("s3", "HeadBucket", Bucket=self._bucket):
            told.append(f"bucket {self._bucket}")
        return told

    def erase(self, say: Say) -> list[str]:
        """Erase it all; what was erased, in words.

        Raises:
            DeployError: something cannot be erased, and is still there.
        """
        erased = self.found()
        for one in erased:
            say(f"  erasing {one}")
        if any(one.startswith("table ") for one in erased):
            self._erase_table()
        if any(one.startswith("bucket ") for one in erased):
            self._erase_bucket()
        return erased

    def _erase_table(self) -> None:
        account = self._account
        if self._described().get("DeletionProtectionEnabled"):
            account.ask("dynamodb", "UpdateTable", TableName=self._table, DeletionProtectionEnabled=False)
            while self._described().get("TableStatus") == "UPDATING":
                account.pause()
        account.ask("dynamodb", "DeleteTable", TableName=self._table)
        while self._is_there("dynamodb", "DescribeTable", TableName=self._table):
            account.pause()

    def _described(self) -> Mapping[str, Any]:
        table: Mapping[str, Any] = self._account.ask("dynamodb", "DescribeTable", TableName=self._table)["Table"]
        return table

    def _erase_bucket(self) -> None:
        account = self._account
        while True:
            listed = account.ask("s3", "ListObjectVersions", Bucket=self._bucket, MaxKeys=1_000)
            objects = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for entry in listed.get(kind, ())
            ]
            if not objects:
                break
            said = account.ask("s3", "DeleteObjects", Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := said.get("Errors", ()):
                raise DeployError(
                    f"{errors[0].get('Key')} in the bucket {self._bucket} cannot be erased: {errors[0].get('Message')}",
                    hint="Objects are locked for as long as object_lock_days has said. All else is erased.",
                )
        account.ask("s3", "DeleteBucket", Bucket=self._bucket)

    def _is_there(self, service: str, operation: str, **parameters: Any) -> bool:
        try:
            self._account.ask(service, operation, **parameters)
        except Refused as error:
            if error.aws_code in ABSENT:
                return False
            raise
        except RightsMissing:
            return True  # a bucket that one may not look at is there
        return True
