"""The one narrow face through which everything speaks to AWS: `call(service, operation, parameters)`.

What fails for a moment is tried again with jitter; whose randomness and patience that is, is an argument. The one
rule: nothing of botocore's leaves this module, neither names nor exceptions.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from nexus_sdk.errors import ProviderMissing, StoreError, StoreUnavailable

T = TypeVar("T")

ATTEMPTS_MAX = 8
"""So often a request is made until the service counts as unavailable."""

FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 5.0

WHO = "Credentials are those of the AWS SDKs: the environment, a profile, or a role."
WHERE = "The region is that of the store URL (region=eu-central-1), AWS_REGION, AWS_DEFAULT_REGION, or a profile's."
"""What to look at when botocore does not know as whom, or where, it is to ask."""

THREADS_MAX = 32
"""So many requests of a process are under way at a time."""

CONFIG: Mapping[str, Any] = {
    "retries": {"total_max_attempts": 1, "mode": "standard"},  # we try again ourselves, with our own randomness
    "connect_timeout": 3,
    "read_timeout": 25,  # longer than SQS lets anybody wait for a message
    "max_pool_connections": THREADS_MAX,
}
"""How clients are made."""

MOMENTARY = frozenset(
    {
        "ConnectionError",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Codes of errors that are over in a moment."""


class AwsError(Exception):
    """A request that was refused. `reasons`: of a transaction, the codes for each of its writes."""

    def __init__(self, code: str, message: str, *, status: int = 0, reasons: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.reasons = tuple(reasons)

    @property
    def is_momentary(self) -> bool:
        """Whether the same request may succeed in a moment."""
        if self.reasons:
            wrong = {reason for reason in self.reasons if reason != "None"}
            return bool(wrong) and wrong <= MOMENTARY
        return self.code in MOMENTARY or self.status >= 500


class Call(Protocol):
    """A request to a service, as AWS names it: ``("dynamodb", "GetItem", {…})``; the reply, its body as bytes."""

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the request, once.

        Raises:
            AwsError: it was refused, or it is not known what became of it.
        """


Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one waits before a request is made again.

    Attributes:
        fraction: evenly drawn from [0, 1).
        sleep: waits so many seconds.
    """

    fraction: Callable[[], float]
    sleep: Sleep

    async def pause(self, attempt: int) -> None:
        """Wait before attempt `attempt + 2`: longer each time, and never as long as others wait (full jitter)."""
        await self.sleep(min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt) * self.fraction())


class PatientCall:
    """Requests, made again as long as what is wrong with them is over in a moment."""

    def __init__(self, call: Call, patience: Patience) -> None:
        self._call = call
        self.patience = patience

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Call`.

        Raises:
            AwsError: it was refused for good.
            StoreUnavailable: it was tried often enough.
        """
        problem: AwsError | None = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._call(service, operation, parameters)
            except AwsError as error:
                if not error.is_momentary:
                    raise
                problem = error
            await self.patience.pause(attempt)
        raise StoreUnavailable(f"{service} {operation}: {ATTEMPTS_MAX} attempts were in vain, the last one: {problem}")


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """What several calls return that are made at the same time; raises when all have ended and one has failed."""
    waiting = list(calls)
    if len(waiting) == 1:
        return [await waiting[0]]
    import asyncio

    ended = await asyncio.gather(*waiting, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return cast("list[T]", ended)


def region_of(named: str | None = None) -> str | None:
    """The region that is named, or that of the environment: of the two variables the one that most of the AWS SDKs
    read goes first. botocore reads only the other one, and a profile when both are missing.
    """
    return named or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


class BotoCall:
    """Requests through botocore, which is part of boto3 and of Lambda's own Python.

    Args:
        region, endpoint: what the environment says (`region_of`), or a profile, when they are None.
        is_inline: the request blocks its thread, as in a function that serves one event at a time; otherwise it has a
            thread of its own.
    """

    def __init__(self, *, region: str | None = None, endpoint: str | None = None, is_inline: bool = False) -> None:
        self._region = region_of(region)
        self._endpoint = endpoint
        self._is_inline = is_inline
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._executor: Executor | None = None

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Call`."""
        if self._is_inline:
            return self._make(service, operation, parameters)
        import asyncio

        if self._executor is None:
            from nexus_sdk.runtimes.threads import DaemonThreads  # one that waits for a message keeps no process alive

            self._executor = DaemonThreads(THREADS_MAX, "nexus aws")
        make = partial(copy_context().run, self._make, service, operation, parameters)
        return await asyncio.get_running_loop().run_in_executor(self._executor, make)

    def close(self) -> None:
        """Release connections and threads. A call opens them again."""
        with self._lock:
            clients, self._clients, self._session = self._clients, {}, None
            executor, self._executor = self._executor, None
        for client in clients.values():
            client.close()
        if executor is not None:
            executor.shutdown(wait=False)

    def client(self, service: str) -> Any:
        """The client of a service; made once."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._open(service)
            return self._clients[service]

    def _open(self, service: str) -> Any:
        try:
            from botocore.config import Config
            from botocore.session import get_session
        except ImportError as error:
            raise ProviderMissing(
                f"DynamoDB, SQS and S3 need boto3, which is not installed ({error}).",
                hint='pip install "nexus-sdk[aws]"',
            ) from error
        try:
            if self._session is None:
                self._session = get_session()
            where = {"region_name": self._region, "endpoint_url": self._endpoint}
            return self._session.create_client(service, **where, config=Config(**CONFIG))
        except Exception as error:
            raise refusal(service, "client", error) from None

    def _make(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self.client(service)
        try:
            reply: Mapping[str, Any] = client._make_api_call(operation, dict(parameters))
            return {**reply, "Body": reply["Body"].read()} if "Body" in reply else reply
        except Exception as error:
            raise refusal(service, operation, error) from None


def refusal(service: str, operation: str, error: Exception) -> Exception:
    """What botocore has raised, in our words."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoRegionError

    if isinstance(error, NoRegionError):
        return StoreError("It is not said in which region of AWS the store is.", hint=WHERE)
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", ())]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(said.get("Code", "")).rpartition("#")[2]
        return AwsError(code, str(said.get("Message", "")), status=status, reasons=reasons)
    if isinstance(error, ConnectionError | HTTPClientError):
        return AwsError("ConnectionError", str(error))
    if isinstance(error, BotoCoreError):
        return StoreError(f"{service} {operation}: {error}", hint=f"{WHO} {WHERE}")
    if operation == "client" and isinstance(error, ValueError):  # what botocore says of an endpoint
        return StoreError(f"{service}: {error}", hint="endpoint=http://localhost:4566, for example.")
    return error
