"""Large payloads, and rows that are too large for the table, in one bucket of S3.

The one rule: an object is named by the digest of its content, so that writing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from nexus_aws.call import AwsError, PatientCall
from nexus_sdk.errors import StoreError

NAME_BYTES_MAX = 700
"""Instances with longer names are found under their digests; a key of S3 has 1024 bytes."""

DELETED_MAX = 1_000
"""Objects of one DeleteObjects."""


class Bucket:
    """The blobs of `Rows`: under namespace, instance and digest."""

    def __init__(self, call: PatientCall, name: str, *, region: str | None = None, namespace: str = "default") -> None:
        self._call = call
        self._name = name
        self._region = region
        self._is_made = False
        self._namespace = namespace

    async def put_blobs(self, instance_id: str, blobs: Mapping[bytes, bytes]) -> None:
        """See `Rows.put_blobs`."""
        import asyncio

        await asyncio.gather(*(self._put(instance_id, digest, data) for digest, data in blobs.items()))

    async def _put(self, instance_id: str, digest: bytes, data: bytes) -> None:
        await self._ask("PutObject", {"Key": self._prefix(instance_id) + digest.hex(), "Body": data})

    async def get_blobs(self, instance_id: str, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Rows.get_blobs`."""
        import asyncio

        wanted = list(dict.fromkeys(digests))
        found = await asyncio.gather(*(self._get(instance_id, digest) for digest in wanted))
        return {digest: data for digest, data in zip(wanted, found, strict=True) if data is not None}

    async def _get(self, instance_id: str, digest: bytes) -> bytes | None:
        try:
            reply = await self._ask("GetObject", {"Key": self._prefix(instance_id) + digest.hex()})
        except AwsError as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return bytes(reply["Body"])

    async def delete_blobs(self, instance_id: str) -> None:
        """See `Rows.delete_blobs`."""
        while True:
            listed = await self._ask("ListObjectsV2", {"Prefix": self._prefix(instance_id), "MaxKeys": DELETED_MAX})
            keys = [{"Key": entry["Key"]} for entry in listed.get("Contents", ())]
            if not keys:
                return
            await self._ask("DeleteObjects", {"Delete": {"Objects": keys, "Quiet": True}})

    async def make(self) -> None:
        """Make the bucket where there is none. Idempotent."""
        self._is_made = True
        try:
            await self._call("s3", "HeadBucket", {"Bucket": self._name})
        except AwsError as error:
            if error.status != 404:
                raise StoreError(f"S3 refused the bucket {self._name!r}: {error}") from error
            where = {} if self._region in (None, "us-east-1") else {"LocationConstraint": self._region}
            await self._ask("CreateBucket", {"CreateBucketConfiguration": where} if where else {})

    def _prefix(self, instance_id: str) -> str:
        name = quote(instance_id, safe="")
        if len(name) > NAME_BYTES_MAX:
            name = f"~{sha256(instance_id.encode()).hexdigest()}"
        return f"{self._namespace}/{name}/"

    async def _ask(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        request = {"Bucket": self._name, **parameters}
        try:
            try:
                return await self._call("s3", operation, request)
            except AwsError as error:
                if error.code != "NoSuchBucket" or self._is_made:
                    raise
            await self.make()
            return await self._call("s3", operation, request)
        except AwsError as error:
            if error.code == "NoSuchKey":
                raise
            if error.code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists") and operation == "CreateBucket":
                return {}
            hint = "Name another one with bucket= in the store URL: names of buckets are taken all over the world."
            raise StoreError(f"S3 refused a request to the bucket {self._name!r}: {error}", hint=hint) from error
