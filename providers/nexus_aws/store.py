"""The store on DynamoDB, SQS and S3: the protocol of split stores over `DynamoRows`, `SqsQueues` and `Bucket`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import TYPE_CHECKING

from nexus_aws.aio import SharedCall
from nexus_aws.call import BotoCall, Call, Patience, PatientCall
from nexus_aws.dynamodb import DynamoRows
from nexus_aws.limits import COMMIT_BYTES_MAX, DELAY_SECONDS_MAX, PAYLOAD_BYTES_MAX, VISIBILITY_SECONDS_MAX
from nexus_aws.listening import Ear, ListeningBell, wait_in_doubt
from nexus_aws.s3 import Bucket
from nexus_aws.sqs import SqsQueues, say
from nexus_sdk.store.port import Capabilities, Doorbell
from nexus_sdk.store.split.row_table import RowTable
from nexus_sdk.store.split.steps import Between
from nexus_sdk.store.split.store import SETTLED_MAX, SplitStore

if TYPE_CHECKING:
    from nexus_sdk.engine.environment import LogSink

CHANCE = SystemRandom()

POLL_SECONDS = 1.0
"""How often a process that waits for an instance to move looks for what others have done: DynamoDB rings nobody up."""

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
        say: where it is told of messages that are not ours.
        poll_seconds: who waits for an instance, or (without `listen_seconds`) for work, looks so often.
        listen_seconds: who waits for work listens to his queues, so long with each request; 0: he does not.
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
        say: LogSink = say,
        outbox_grace_seconds: float = OUTBOX_GRACE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        listen_seconds: int = 0,
    ) -> None:
        self._call = call
        self._is_made = False
        self._poll_seconds = poll_seconds
        patient = PatientCall(call, Patience(fraction, sleep))
        self._bucket = Bucket(patient, bucket, region=region)
        self._rows = DynamoRows(patient, table, self._bucket, token=lambda: f"{bits(120):x}")
        self.sqs = SqsQueues(patient, table.replace(".", "-"), say)
        super().__init__(
            RowTable(self._rows, grace_seconds=outbox_grace_seconds, pause=patient.patience.pause),
            self.sqs,
            next_number=lambda: bits(60),
            between=between,
            pause=patient.patience.pause,
            outbox_grace_seconds=outbox_grace_seconds,
        )
        self._bells = 0
        self._ear = self.sqs.ear = Ear(
            self.sqs.receive,
            self.sqs.show,
            self._board.ring_all,
            wait_seconds=listen_seconds,
            pause_seconds=poll_seconds,
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
        self._ear.close()
        if isinstance(self._call, SharedCall):
            await self._call.close()
        elif isinstance(self._call, BotoCall):
            self._call.close()

    def doorbell(self) -> Doorbell:
        """A new bell. It rings for what other processes put on the queues, too: SQS is listened to."""
        if isinstance(self._call, SharedCall):
            self._call.serve()
        self._bells += 1
        return ListeningBell(self._board, self._ear, self._poll_seconds, self._bell_is_closed)

    def _bell_is_closed(self) -> None:
        self._bells -= 1
        if self._bells <= 0:
            self._ear.close()

    async def _wait_for_a_move(self, bell: Doorbell) -> None:
        await wait_in_doubt(bell, self._poll_seconds)
