"""The store on DynamoDB, SQS and S3: the protocol of split stores over `DynamoRows`, `SqsQueues` and `Bucket`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import SystemRandom

from nexus_aws.call import BotoCall, Call, Patience, PatientCall
from nexus_aws.dynamodb import DynamoRows
from nexus_aws.limits import COMMIT_BYTES_MAX, DELAY_SECONDS_MAX, PAYLOAD_BYTES_MAX, VISIBILITY_SECONDS_MAX
from nexus_aws.s3 import Bucket
from nexus_aws.sqs import SqsQueues
from nexus_sdk.store.bell import BellBoard, LocalBell
from nexus_sdk.store.port import Capabilities, Doorbell
from nexus_sdk.store.split.rows import RowTable
from nexus_sdk.store.split.steps import Between
from nexus_sdk.store.split.store import SETTLED_MAX, SplitStore

CHANCE = SystemRandom()

POLL_SECONDS = 1.0
"""How often a process that waits looks for what other processes have done: SQS and DynamoDB ring nobody up."""

OUTBOX_GRACE_SECONDS = 10.0
"""How long a committer has to make its sends, and a message to be answered, before the sweep looks."""


class AwsStore(SplitStore):
    """See `SplitStore` for the protocol, and `nexus_sdk.store.port.Store` for the verbs and their laws.

    Args:
        table, bucket: their names; the names of the queues begin with the table's.
        call: to AWS.
        region: where a bucket is made.
        fraction, sleep, bits: randomness and time, for pauses and ids.
        between: called before and after each write and each call to a queue.
    """

    capabilities = Capabilities(
        lease_seconds_max=float(VISIBILITY_SECONDS_MAX),
        payload_bytes_max=PAYLOAD_BYTES_MAX,
        commit_bytes_max=COMMIT_BYTES_MAX,
        settles_max=SETTLED_MAX,
        delay_seconds_max=float(DELAY_SECONDS_MAX),
        list_lag_seconds=1.0,
    )

    def __init__(
        self,
        table: str,
        bucket: str,
        call: Call,
        *,
        region: str | None = None,
        fraction: Callable[[], float] = CHANCE.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        bits: Callable[[int], int] = CHANCE.getrandbits,
        between: Between | None = None,
        outbox_grace_seconds: float = OUTBOX_GRACE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._call = call
        self._is_made = False
        self._poll_seconds = poll_seconds
        patient = PatientCall(call, Patience(fraction, sleep))
        self._bucket = Bucket(patient, bucket, region=region)
        self._rows = DynamoRows(patient, table, self._bucket, token=lambda: f"{bits(120):x}")
        self.sqs = SqsQueues(patient, table.replace(".", "-"))
        super().__init__(
            RowTable(self._rows, grace_seconds=outbox_grace_seconds, pause=patient.patience.pause),
            self.sqs,
            next_number=lambda: bits(60),
            between=between,
            outbox_grace_seconds=outbox_grace_seconds,
        )

    async def migrate(self) -> int:
        """Make the table, the bucket and the queues, as far as they are missing."""
        if self._is_made:
            return 1
        await self._rows.make()
        await self._bucket.make()
        await self.sqs.make()
        self._is_made = True
        return 1

    async def close(self) -> None:
        """Release the connections."""
        if isinstance(self._call, BotoCall):
            self._call.close()

    def doorbell(self) -> Doorbell:
        """A new bell; it also rings by itself, since what other processes put on a queue is not heard here."""
        return PollingBell(self._board, self._poll_seconds)

    async def _wait_for_a_move(self, bell: Doorbell) -> None:
        await _wait(bell, self._poll_seconds)


class PollingBell:
    """See `Doorbell`: rings in doubt, every so many seconds."""

    def __init__(self, board: BellBoard, seconds: float) -> None:
        self._bell: LocalBell = board.new_bell()
        self._seconds = seconds

    async def wait(self) -> None:
        """See `Doorbell.wait`."""
        await _wait(self._bell, self._seconds)

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        self._bell.ring()

    def close(self) -> None:
        """See `Doorbell.close`."""
        self._bell.close()


async def _wait(bell: Doorbell, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return
