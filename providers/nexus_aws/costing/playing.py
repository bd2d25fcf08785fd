"""Plays what surrounds the function: event sources, the schedule, whoever starts instances and sends events.

The function's work is `nexus_aws.messages`, as on Lambda. There is one warm container, which takes one batch at a time:
the schedule's call each minute keeps it warm. The one rule: only what the run causes is counted; what is billed in
a month in which nothing runs is counted apart, on an empty table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, TypeVar

from nexus_aws.budget import Budget
from nexus_aws.costing.metered import Metered
from nexus_aws.dynamodb import LOOK_SHARDS
from nexus_aws.limits import BATCH_MESSAGES_MAX
from nexus_aws.messages import Messages
from nexus_aws.store import AwsStore
from nexus_sdk.app import Nexus
from nexus_sdk.client.client import Client
from nexus_sdk.core import events as e
from nexus_sdk.core.status import Status
from nexus_sdk.costing.answers import Arrival
from nexus_sdk.costing.estimate import Assumptions
from nexus_sdk.costing.rehearsal import Case, Rehearsal
from nexus_sdk.costing.usage import less, together
from nexus_sdk.engine.waiting import sleep
from nexus_sdk.errors import ClockRunsAway, InstanceFinished, NothingIsDue
from nexus_sdk.store.port import TURNS, InstanceRecord, Query
from nexus_sdk.testing.stuck import open_waits

T = TypeVar("T")

VISIBILITY_SECONDS = 360
"""How long the queues hide what is delivered: six times what an invocation may take."""

BUDGET = Budget.of(900.0)
"""An invocation may take as long as any may. One that takes longer is said."""

POLL_SECONDS = 0.01
"""Real seconds: nobody else moves anything here, so who waits in doubt need not wait long."""

SWEEP_US = 60_000_000
"""The schedule calls each minute."""

INVOCATIONS_MAX = 2_000
"""A run that causes more of them is taken for one that does not end."""

INSTANCES_MAX = 100_000
"""So many instances of a run are looked after."""

LOG_BYTES = 350
"""What Lambda itself logs of an invocation, about: START, END and REPORT."""


@dataclass(frozen=True, slots=True)
class Played:
    """What it came to.

    Attributes:
        used: by the run, from its start to its end; `requests`: to the services, by operation.
        idle: by one call of the schedule that finds nothing; `kept`: by how much more it uses while the run is kept.
        invocations: how many, by what caused them; `longest_ms`: the longest of them.
        seconds: from the start to the end.
        instance_ids: everything that belongs to the run.
    """

    used: dict[str, float]
    requests: Mapping[str, float]
    idle: dict[str, float]
    kept: dict[str, float]
    invocations: Mapping[str, int]
    longest_ms: float
    seconds: float
    instance_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted: what is billed, by meter, and the requests, by operation."""

    billed: dict[str, float]
    requests: dict[str, float]

    def more(self, than: Tally) -> Tally:
        """What this has more than another one."""
        return Tally(less(self.billed, than.billed), less(self.requests, than.requests))


class Playing:
    """One run on AWS, as far as it can be had without AWS.

    Args:
        case: what is run.
        metered: the way to the services.
        table: its name, where the services hold others, too.
    """

    def __init__(
        self,
        case: Case,
        rehearsal: Rehearsal,
        metered: Metered,
        assumptions: Assumptions,
        *,
        table: str = "estimate",
    ) -> None:
        self._table = table
        self._case = case
        self._rehearsal = rehearsal
        self._metered = metered
        self._assumptions = assumptions
        self._clock = rehearsal.clock
        self._invocations: Counter[str] = Counter()
        self._longest_us = 0
        self.store = AwsStore(table, f"{table}-nexus", metered, **self._surroundings)
        self.outside = AwsStore(table, f"{table}-nexus", metered.aside, **self._surroundings)
        """A handle on the same data for looks that nobody is billed for."""
        self.app: Nexus = rehearsal.app_on(self.store)
        self._messages = Messages(self.app, self.store)
        self._client: Client = self.app.client()
        self.looking: Client = rehearsal.app_on(self.outside).client()
        self._queues = [TURNS, *sorted(self.app.registry.task_queues)]
        self._urls: dict[str, str] = {}

    @property
    def _surroundings(self) -> dict[str, Any]:
        chance, pause = self._rehearsal.chance, partial(sleep, self._clock)
        return {"fraction": chance.fraction, "bits": chance.bits, "sleep": pause, "poll_seconds": POLL_SECONDS}

    async def play(self) -> Played:
        """Run it from its start to its end.

        Raises:
            NothingIsDue: it waits for something that nobody will bring about.
            ClockRunsAway: it comes to no end.
        """
        await self._prepare()
        idle = await self._one_sweep()
        self._begin_to_count()
        began_us = self._clock.now_us()
        arrivals = list(self._case.arrivals)
        await self._invoke("start", self._client.start(self._case.call, id=self._case.instance_id))
        while not await self._is_over():
            await self._go_on(arrivals, began_us, idle)
        whole, invocations, longest_us = self._tally(), dict(self._invocations), self._longest_us
        records = await self._records()
        seconds = (max(record.updated_us for record in records) - began_us) / 1_000_000
        kept = (await self._one_sweep()).more(idle)
        return Played(
            used=whole.billed,
            requests=whole.requests,
            idle=idle.billed,
            kept=kept.billed,
            invocations=invocations,
            longest_ms=longest_us / 1_000,
            seconds=seconds,
            instance_ids=tuple(record.id for record in records),
        )

    async def purge(self, instance_ids: tuple[str, ...]) -> dict[str, float]:
        """What it takes to purge these, from wherever that is done."""
        self._begin_to_count()
        for instance_id in instance_ids:
            await self._rehearsal.timed(self._client.get(instance_id).purge())
        return self._tally().billed

    async def close(self) -> None:
        """Let go of everything."""
        await self._rehearsal.timed(self._messages.close())

    # --- before -------------------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """A warm container: it knows its queues, and has worked before."""
        for queue in self._queues:
            self._urls[queue], _ = await self._rehearsal.timed(self.store.sqs._url(queue))
        await self._invoke("sweep", self._messages.sweep(BUDGET))

    async def _one_sweep(self) -> Tally:
        self._begin_to_count()
        await self._invoke("sweep", self._messages.sweep(BUDGET))
        return self._tally()

    def _tally(self) -> Tally:
        return Tally({**self._metered.billed}, {**self._metered.requests})

    def _begin_to_count(self) -> None:
        self._metered.billed, self._metered.requests = {}, {}
        self._invocations.clear()
        self._longest_us = 0

    # --- a run --------------------------------------------------------------------------------------------------------

    async def _go_on(self, arrivals: list[Arrival], began_us: int, idle: Tally) -> None:
        """The next thing that happens: messages, a call of the schedule, an event, or time that passes."""
        if await self._deliver():
            return
        if self._invocations.total() > INVOCATIONS_MAX:
            raise ClockRunsAway(
                f"the run has caused {INVOCATIONS_MAX:,} invocations, and has not come to an end.",
                hint="Does it continue as new for ever? Estimate one round of it: a workflow that ends.",
            )
        now_us = self._clock.now_us()
        first = arrivals[0] if arrivals else None
        arrives_us = None if first is None else began_us + first.after_us if first.after_us is not None else now_us
        ring_us = min((at for at in self._metered.rings_us if at > now_us), default=None)
        look_us = await self._next_look_us()
        sweep_us = None if look_us is None else -(-max(look_us, now_us + 1) // SWEEP_US) * SWEEP_US
        due = [at for at in (arrives_us, ring_us, sweep_us) if at is not None]
        if not due:
            raise await self._stands_still()
        self._clock.jump_to(max(min(due), now_us))
        if arrives_us == min(due) and first is not None:
            await self._arrive(arrivals.pop(0))
        elif sweep_us == min(due):
            await self._sweep(idle)

    async def _deliver(self) -> bool:
        """Hand over what the queues have; whether there was anything."""
        has_delivered = False
        for queue in self._queues:
            asked = {
                "QueueUrl": self._urls[queue],
                "MaxNumberOfMessages": BATCH_MESSAGES_MAX,
                "VisibilityTimeout": VISIBILITY_SECONDS,
                "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
            }
            reply = await self._beside(self._metered.aside("sqs", "ReceiveMessage", asked))
            messages = reply.get("Messages", ())
            if not messages:
                continue
            has_delivered = True
            # Empty ones are no run's: the polls of a month are counted apart.
            self._metered.bill({"sqs.request": 1}, request="sqs ReceiveMessage")
            records = [_record(message) for message in messages]
            answer = await self._invoke("delivery", self._messages.work_off(records, BUDGET))
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            done = [message for message in messages if message["MessageId"] not in failed]
            if done:
                entries = [{"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]} for message in done]
                removed = {"QueueUrl": self._urls[queue], "Entries": entries}
                await self._beside(self._metered.counted("sqs", "DeleteMessageBatch", removed))
        return has_delivered

    async def _sweep(self, idle: Tally) -> None:
        """A call of the schedule that finds something: what it does more than one that finds nothing is the run's."""
        before = self._tally()
        await self._invoke("sweep", self._messages.sweep(BUDGET))
        own = self._tally().more(before).more(idle)
        self._metered.billed = together([before.billed, own.billed])
        self._metered.requests = together([before.requests, own.requests])

    async def _arrive(self, arrival: Arrival) -> None:
        async def send() -> None:
            try:
                await self._client.get(self._case.instance_id).send_event(arrival.name, arrival.payload)
            except InstanceFinished:
                return  # nobody needed it

        await self._invoke("event", send())

    async def _invoke(self, cause: str, work: Awaitable[T]) -> T:
        """What an invocation gives; it is billed."""
        result, took_us = await self._rehearsal.timed(work)
        took_us += round(self._assumptions.overhead_ms * 1_000)
        self._clock.jump_to(self._clock.now_us() + round(self._assumptions.overhead_ms * 1_000))
        self._invocations[cause] += 1
        self._longest_us = max(self._longest_us, took_us)
        seconds = ceil(took_us / 1_000) / 1_000
        self._metered.bill(
            {
                "lambda.request": 1,
                "lambda.gb_second": seconds * self._assumptions.memory_mb / 1_024,
                "logs.gb": LOG_BYTES / 2**30,
            }
        )
        return result

    # --- looks that nobody is billed for ------------------------------------------------------------------------------

    async def _beside(self, work: Awaitable[T]) -> T:
        result, _ = await self._rehearsal.timed(work)
        return result

    async def _records(self) -> list[InstanceRecord]:
        page = await self._beside(self.outside.list(Query(), limit=INSTANCES_MAX))
        return list(page.records)

    async def _is_over(self) -> bool:
        """Whether everything that belongs to it has ended, and nothing is left to be done."""
        records = await self._records()
        for record in records:
            if record.status in (Status.BLOCKED, Status.SUSPENDED):
                raise await self._stands_still(record.id)
        is_quiet = not any(at > self._clock.now_us() for at in self._metered.rings_us)
        has_ended = bool(records) and all(record.status.is_finished for record in records)
        return has_ended and is_quiet and await self._next_look_us() is None

    async def _next_look_us(self) -> int | None:
        """When the schedule will next find something."""
        found: list[int] = []
        for shard in range(LOOK_SHARDS):
            asked = {
                "TableName": self._table,
                "IndexName": "look",
                "KeyConditionExpression": "ls = :shard AND l <= :before",
                "ExpressionAttributeValues": {":shard": {"S": str(shard)}, ":before": {"N": str(10**18)}},
                "Limit": 1,
            }
            reply = await self._beside(self._metered.aside("dynamodb", "Query", asked))
            found += [int(item["l"]["N"]) for item in reply["Items"]]
        return min(found, default=None)

    async def _stands_still(self, instance_id: str | None = None) -> NothingIsDue:
        """What it waits for, or what blocks it."""
        handle = self.looking.get(instance_id or self._case.instance_id)
        status = await self._beside(handle.status())
        if status.failure is not None:
            return NothingIsDue(
                f"{status.id} is {status.status}: {status.failure.message}", hint="Run it with `nexus run` first."
            )
        waits = open_waits(await self._beside(handle.history()))
        events = [wait.name for wait in waits if isinstance(wait, e.EventAwaited)]
        if events:
            return NothingIsDue(
                f"the run waits for the event {events[0]!r}, and nobody sends it.",
                hint=f"Say what comes: --event {events[0]}=JSON, once for each.",
            )
        return NothingIsDue(f"the run is {status.status}, and nothing is due that could end it.")


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "eventSource": "aws:sqs",
    }
