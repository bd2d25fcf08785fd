"""Requests to DynamoDB and SQS without botocore, for functions: they start cold, and it takes longer than all else.

Both speak JSON over HTTP, signed (Signature Version 4). What is more than that goes through botocore as before: S3, and
whatever the environment asks for that is not plain (`can_be_lean`). The one rule: what is refused is refused in the
same words, so that nobody above can tell the difference.
"""

from __future__ import annotations

import hmac
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zlib import crc32

from nexus_aws.call import CONFIG, AwsError, BotoCall, region_of

if TYPE_CHECKING:
    from http.client import HTTPConnection

TARGETS = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}

CONTENT_TYPE = "application/x-amz-json-1.0"

NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""What the environment of a function says."""

UNUSUAL = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_PROFILE"),
)
"""What only botocore understands."""

DOMAINS = (("cn-", "amazonaws.com.cn"), ("us-iso", ""), ("eu-isoe", ""))
"""Regions whose names begin so have services elsewhere; empty: where, botocore knows."""


def function_call(*, region: str | None, endpoint: str | None) -> BotoCall:
    """How a function makes its requests: as leanly as its environment allows."""
    region = region_of(region)
    kind = LeanCall if can_be_lean(region, endpoint) else BotoCall
    return kind(region=region, endpoint=endpoint)


def can_be_lean(region: str | None, endpoint: str | None) -> bool:
    """Whether everything that requests need is known without botocore."""
    known = all(map(os.environ.get, NEEDED)) and region is not None
    return known and not any(map(os.environ.get, UNUSUAL)) and (endpoint is not None or _domain(str(region)) != "")


class LeanCall(BotoCall):
    """See `BotoCall`, and `can_be_lean`."""

    def __init__(self, *, region: str | None = None, endpoint: str | None = None, is_inline: bool = False) -> None:
        super().__init__(region=region, endpoint=endpoint, is_inline=is_inline)
        self._idle: dict[str, list[HTTPConnection]] = {}
        self._idle_lock = Lock()

    def close(self) -> None:
        """See `BotoCall.close`."""
        super().close()
        with self._idle_lock:
            idle, self._idle = self._idle, {}
        for connection in (connection for kept in idle.values() for connection in kept):
            connection.close()

    def _make(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if service not in TARGETS:
            return super()._make(service, operation, parameters)
        base = self._base(service)
        body = json.dumps(parameters, default=_base64, separators=(",", ":")).encode()
        target = f"{TARGETS[service]}.{operation}"
        headers = {"host": urlsplit(base).netloc, "content-type": CONTENT_TYPE, "x-amz-target": target}
        headers = signed(headers, body, service=service, region=str(self._region), now=datetime.now(UTC))
        status, said, data = self._exchange(base, headers, body)
        if int(said.get("x-amz-crc32", crc32(data))) != crc32(data):
            raise AwsError("ConnectionError", f"{base}: the reply was damaged on its way")
        reply = _reply_of(data)
        if status >= 300:
            raise _refused(status, said.get("x-amzn-query-error", ""), reply)
        return reply

    def _base(self, service: str) -> str:
        named = self._endpoint or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        named = named or os.environ.get("AWS_ENDPOINT_URL")
        return (named or f"https://{service}.{self._region}.{_domain(str(self._region))}").rstrip("/")

    # --- connections --------------------------------------------------------------------------------------------------

    def _exchange(self, base: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request; status, headers (their names in lower case) and body of the reply."""
        from http.client import HTTPException

        connection = self._connection(base)
        try:
            connection.request("POST", "/", body, dict(headers))
            response = connection.getresponse()
            data = response.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise AwsError("ConnectionError", f"{base}: {error!r}") from None
        with self._idle_lock:
            self._idle.setdefault(base, []).append(connection)
        return response.status, {name.lower(): value for name, value in response.getheaders()}, data

    def _connection(self, base: str) -> HTTPConnection:
        """A connection that nobody uses, if the other side has not closed it; else a new one."""
        while True:
            with self._idle_lock:
                kept = self._idle.get(base)
                connection = kept.pop() if kept else None
            if connection is None:
                return _connected(base)
            if connection.sock is not None and not _is_closed(connection.sock):
                return connection
            connection.close()


def signed(headers: Mapping[str, str], body: bytes, *, service: str, region: str, now: datetime) -> dict[str, str]:
    """The headers of a POST to ``/`` with its signature, by the credentials of the environment.

    Args:
        headers: their names in lower case.
        now: aware UTC.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    every = {**headers, "x-amz-date": stamp}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        every["x-amz-security-token"] = token
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name].strip()}\n" for name in sorted(every))
    request = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    every["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return every


# --- leaves -----------------------------------------------------------------------------------------------------------


def _domain(region: str) -> str:
    return next((domain for prefix, domain in DOMAINS if region.startswith(prefix)), "amazonaws.com")


def _connected(base: str) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    address = urlsplit(base)
    host, port, seconds = address.hostname or "", address.port, CONFIG["connect_timeout"]
    if address.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(host, port, timeout=seconds, context=_trusted())
    else:
        connection = HTTPConnection(host, port, timeout=seconds)
    try:
        connection.connect()
    except OSError as error:
        raise AwsError("ConnectionError", f"{base}: {error!r}") from None
    connection.sock.settimeout(CONFIG["read_timeout"])
    return connection


@cache
def _trusted() -> Any:
    """Whom an encrypted connection trusts; to read it takes a while."""
    import ssl

    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))


def _is_closed(sock: Any) -> bool:
    """Whether something has come that nobody asked for: on an idle connection, that it has ended."""
    import select

    ready, _, _ = select.select([sock], [], [], 0)
    return bool(ready)


def _base64(value: Any) -> str:
    return b64encode(bytes(value)).decode()


def _reply_of(data: bytes) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = json.loads(data or b"{}", object_hook=_with_bytes)
    except ValueError:
        return {"message": data[:200].decode("utf-8", "replace")}  # not from the service itself: a proxy, a page
    return reply


def _with_bytes(found: dict[str, Any]) -> dict[str, Any]:
    """An attribute of DynamoDB that is bytes comes as base64."""
    binary = found.get("B") if len(found) == 1 else None
    return {"B": b64decode(binary)} if isinstance(binary, str) else found


def _refused(status: int, query_error: str, reply: Mapping[str, Any]) -> AwsError:
    code = query_error.partition(";")[0] or str(reply.get("__type", "")).rpartition("#")[2]
    reasons = [reason.get("Code", "None") for reason in reply.get("CancellationReasons") or ()]
    said = reply.get("message") or reply.get("Message") or ""
    return AwsError(code or str(status), str(said), status=status, reasons=reasons)
