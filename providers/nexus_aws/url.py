"""From ``dynamodb://TABLE?region=…&endpoint=…&bucket=…`` to a store. The one rule: opening does no I/O."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from nexus_sdk.errors import StoreError

if TYPE_CHECKING:
    from nexus_aws.store import AwsStore

OPTIONS = frozenset({"region", "endpoint", "bucket"})

EXAMPLE = "For example: dynamodb://orders?region=eu-central-1&bucket=orders-payloads"


def open_store(url: str) -> AwsStore:
    """The store that a URL names.

    ``dynamodb://TABLE`` with the options ``region`` (by default ``AWS_REGION``, else ``AWS_DEFAULT_REGION``, else that
    of the profile), ``endpoint`` (``AWS_ENDPOINT_URL``) and ``bucket`` (the table's name with ``-nexus``).
    Credentials are never part of a URL: the SDKs find them. In a Lambda function requests are made without more than
    they need (`lean`); elsewhere workers speak through aioboto3 where that is installed, and listen to their queues.

    Raises:
        StoreError: the URL makes no sense.
    """
    split = urlsplit(url)
    table, options = split.netloc, dict(parse_qsl(split.query, keep_blank_values=True))
    if not re.fullmatch(r"[A-Za-z0-9_.-]{3,60}", table) or split.path not in ("", "/"):
        raise _malformed("the name of a table has 3 to 60 letters, digits, underscores, hyphens and dots")
    if unknown := sorted(set(options) - OPTIONS):
        raise _malformed(f"unknown option {unknown[0]!r}; known: {', '.join(sorted(OPTIONS))}")
    if empty := sorted(name for name, value in options.items() if not value):
        raise _malformed(f"the option {empty[0]!r} is empty")
    bucket = options.get("bucket", f"{re.sub(r'[^a-z0-9-]', '-', table.lower()).strip('-')}-nexus")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise _malformed(f"bucket={bucket!r} is no name of a bucket")
    from nexus_aws.call import region_of
    from nexus_aws.store import AwsStore

    region, endpoint = region_of(options.get("region")), options.get("endpoint")
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        from nexus_aws.lean import function_call

        return AwsStore(table, bucket, function_call(region=region, endpoint=endpoint), region=region)
    from nexus_aws.aio import SharedCall
    from nexus_aws.limits import LISTEN_SECONDS

    call = SharedCall(region=region, endpoint=endpoint)
    return AwsStore(table, bucket, call, region=region, listen_seconds=LISTEN_SECONDS)


def _malformed(why: str) -> StoreError:
    return StoreError(f"The dynamodb:// store URL makes no sense: {why}.", hint=EXAMPLE)
