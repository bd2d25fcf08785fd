"""The bucket that code is uploaded to. All deployments of an account and region share one, unless they name theirs.

The one rule: an object is named by its content, so that the same code is uploaded once, and a rollback finds the old.
"""

from __future__ import annotations

from pathlib import Path

from nexus_aws.deploying.account import Account, Refused
from nexus_aws.deploying.names import artifact_bucket_name
from nexus_sdk.errors import NameTaken, RightsMissing

KEPT_BUILDS = 10
"""So many builds of a deployment are kept; CloudFormation needs the last but one to roll back."""


class Artifacts:
    """The builds of a deployment.

    Args:
        account: whose they are.
        title: of the deployment.
        bucket: a bucket that is there; empty: ours, which is made when it is missed.
    """

    def __init__(self, account: Account, title: str, bucket: str = "") -> None:
        self._account = account
        self._is_ours = not bucket
        self._named = bucket
        self._title = title

    @property
    def bucket(self) -> str:
        """Its name."""
        return self._named or artifact_bucket_name(self._account.number, self._account.region)

    def key_of(self, digest: str, suffix: str = "zip") -> str:
        """Where a build lies."""
        return f"{self._title}/{digest}.{suffix}"

    def upload(self, path: Path, key: str) -> bool:
        """Upload a file, if it is not there. False: it is.

        Raises:
            DeployError: it cannot be uploaded.
        """
        self._make()
        owned = {"Bucket": self.bucket, "ExpectedBucketOwner": self._account.number}
        try:
            self._account.ask("s3", "HeadObject", Key=key, **owned)
            return False
        except Refused as error:
            if error.aws_code not in ("404", "NoSuchKey", "NotFound"):
                raise
        with path.open("rb") as body:
            self._account.ask("s3", "PutObject", Key=key, Body=body, **owned)
        return True

    def forget(self, kept: int, current: str = "") -> int:
        """Erase all but so many of the newest files of this deployment; how many were erased.

        Args:
            current: the key of one that counts as the newest.
        """
        listed: list[tuple[bool, str, str]] = []
        parameters = {"Bucket": self.bucket, "Prefix": f"{self._title}/"}
        while True:
            try:
                reply = self._account.ask("s3", "ListObjectsV2", **parameters)
            except Refused as error:
                if error.aws_code == "NoSuchBucket":
                    return 0
                raise
            found = [(str(entry["LastModified"]), entry["Key"]) for entry in reply.get("Contents", ())]
            listed += [(key == current, when, key) for when, key in found]
            if not reply.get("IsTruncated"):
                break
            parameters["ContinuationToken"] = reply["NextContinuationToken"]
        old = [key for *_, key in sorted(listed, reverse=True)[kept:]]
        for key in old:
            self._account.ask("s3", "DeleteObject", Bucket=self.bucket, Key=key)
        return len(old)

    def _make(self) -> None:
        """Make the bucket where there is none.

        Raises:
            NameTaken: somebody else has a bucket of this name.
        """
        account = self._account
        try:
            account.ask("s3", "HeadBucket", Bucket=self.bucket, ExpectedBucketOwner=account.number)
            return
        except Refused as error:
            if error.aws_code not in ("404", "NoSuchBucket", "NotFound"):
                raise
        except RightsMissing:
            raise self._taken() from None
        if not self._is_ours:
            raise NameTaken(
                f"There is no bucket {self.bucket!r}.", hint="Make it, or leave artifact_bucket out: then one is made."
            )
        where = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
        configuration = {"CreateBucketConfiguration": where} if where else {}
        try:
            account.ask(
                "s3", "CreateBucket", Bucket=self.bucket, ObjectOwnership="BucketOwnerEnforced", **configuration
            )
        except Refused as error:
            if error.aws_code == "BucketAlreadyExists":
                raise self._taken() from None
            if error.aws_code != "BucketAlreadyOwnedByYou":
                raise
        block = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        account.ask("s3", "PutPublicAccessBlock", Bucket=self.bucket, PublicAccessBlockConfiguration=block)

    def _taken(self) -> NameTaken:
        return NameTaken(
            f"The bucket {self.bucket!r} is somebody else's, or you may not look at it.",
            hint="Name one of yours for the code: --option artifact_bucket=NAME.",
        )
