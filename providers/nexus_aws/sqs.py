"""The queues of a split store on SQS: one for bells, one for each activity queue, and one for dead letters.

A message is a reference of a few hundred bytes; what it refers to is in the table. The one rule: a queue may lose,
double and reorder messages, and nothing but time is lost. A message of somebody else is never answered: SQS counts it
among the dead letters some day, and nobody is kept from his own by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

from nexus_aws.call import ATTEMPTS_MAX, AwsError, PatientCall, together
from nexus_aws.limits import (
    BATCH_MESSAGES_MAX,
    DELAY_SECONDS_MAX,
    MESSAGE_BYTES_MAX,
    RECEIVES_MAX,
    RETENTION_SECONDS,
    VISIBILITY_SECONDS_MAX,
)
from nexus_aws.listening import Ear
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import StoreError, StoreUnavailable
from nexus_sdk.store.port import LOCAL, TURNS
from nexus_sdk.store.split.rings import Ring

if TYPE_CHECKING:
    from nexus_sdk.engine.environment import LogSink

MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
GONE = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "AWS.SimpleQueueService.MessageNotInflight",
        "MessageNotInflight",
    }
)
"""The message was taken by another since, or acknowledged, or hidden for as long as may be: nothing is to be done."""

DEAD = "nexus:dead"
DEAD_HIDDEN_SECONDS = 60
"""So long whoever takes a dead letter has time to heed it."""

TOLD_MAX = 1_000
"""Of so many messages of somebody else it is remembered that they were told of."""


def say(level: str, event: str, fields: dict[str, Any]) -> None:
    """Say a line where the application has its own said."""
    from nexus_sdk.runtimes import local

    local.say(level, event, fields)


class Push:
    """Messages that were not asked for: an event source has received them, and handed them to a function.

    Attributes:
        waiting: those that nobody has taken yet, by queue.
        unanswered: receipts of those that are neither removed nor put off.
        is_empty: set when all were taken, and what they refer to is leased or known to be old.
    """

    def __init__(self, rings: Sequence[Ring]) -> None:
        from asyncio import Event

        self.waiting: dict[str, list[Ring]] = {}
        self.unanswered = {ring.receipt for ring in rings}
        self.put_off: set[str] = set()
        self.is_empty = Event()
        for ring in rings:
            self.waiting.setdefault(ring.queue, []).append(ring)
        if not rings:
            self.is_empty.set()

    def take(self, queue: str, limit: int) -> list[Ring]:
        """Some of the messages of a queue."""
        waiting = self.waiting.get(queue, [])
        taken, self.waiting[queue] = waiting[:limit], waiting[limit:]
        if not taken and not any(self.waiting.values()):
            self.is_empty.set()  # whoever comes for more has leased what he took before
        return taken


class SqsQueues:
    """See `Queues`.

    `prefix`: what the names of the queues begin with. `push`: while it is there, nothing else is taken. `ear`: hears
    what comes to queues that were asked in vain. `say`: where it is told of messages that are not ours.
    """

    ear: Ear | None = None

    def __init__(self, call: PatientCall, prefix: str, say: LogSink = say) -> None:
        self._say = say
        self._told: dict[str, None] = {}
        self.push: Push | None = None
        self._call = call
        self._prefix = prefix
        self._urls: dict[str, str] = {}
        self._numbers = count(1)
        self._ranked: set[str] = set()
        self._expected: dict[str, dict[int, int]] = {}

    # --- the verbs --------------------------------------------------------------------------------------------------

    async def put(self, rings: Sequence[Ring], *, now_us: int) -> Sequence[Ring]:
        """See `Queues.put`.

        What somebody has already, and what falls due later than a message can be delayed, needs none: the index of
        what needs a look knows both.
        """
        by_queue: dict[str, list[Ring]] = {}
        self._rank(rings)
        for ring in rings:
            ring.number = now_us * 1_000 + next(self._numbers) % 1_000
            self._expect(ring, max(ring.visible_us, now_us), now_us)
            if not ring.is_taken and seconds_until(ring.visible_us, now_us) <= DELAY_SECONDS_MAX:
                by_queue.setdefault(ring.queue, []).append(ring)
        for queue, own in by_queue.items():
            await together(self._send(queue, batch) for batch in batches([self._entry(ring, now_us) for ring in own]))
        return rings

    async def take(self, queue: str, *, limit: int, now_us: int, until_us: int, holder: str) -> Sequence[Ring]:
        """See `Queues.take`.

        SQS knows no priorities. Where some are in use, the most urgent of those are taken that it gives at once, and
        the others are given back.
        """
        seconds = min(max(seconds_until(until_us, now_us), 1), VISIBILITY_SECONDS_MAX)
        if self.push is not None:
            self._expected.pop(queue, None)  # whatever comes is handed over
            return self.push.take(queue, limit)
        asked = BATCH_MESSAGES_MAX if queue in self._ranked else limit
        found = self.ear.take(queue, asked) if self.ear is not None else []
        if not found and not (self.ear is not None and self.ear.is_listening(queue)):
            found = await self.receive(queue, seconds, asked)
            if not found and self.ear is not None:
                self.ear.want(queue, seconds, asked)
        if not found:
            self._forget_due(queue, now_us)
        self._rank(found)
        found.sort(key=lambda ring: (-ring.priority, ring.number))
        await self.show(found[limit:])
        for ring in found[:limit]:
            self._expect(ring, now_us + seconds * 1_000_000, now_us)
        return found[:limit]

    async def hide(self, ring: Ring, *, until_us: int, now_us: int, is_taken: bool) -> None:
        """See `Queues.hide`. What is nobody's for longer than a message can be hidden, the sweep rings for."""
        if not ring.receipt and not is_taken:  # claimed as it was sent, and given back: now it needs a message
            self._expected.get(ring.queue, {}).pop(ring.number, None)
            await self.put([replace(ring, is_taken=False, visible_us=until_us)], now_us=now_us)
            return
        seconds = max(seconds_until(until_us, now_us), 0)
        if self.push is not None and not is_taken:
            self.push.put_off.add(ring.receipt)
        self._expect(ring, now_us + seconds * 1_000_000, now_us)
        if seconds > VISIBILITY_SECONDS_MAX and not is_taken:
            await self._delete(ring)
        else:
            await self._change(ring, min(seconds, VISIBILITY_SECONDS_MAX))

    async def remove(self, rings: Sequence[Ring]) -> None:
        """See `Queues.remove`: ten of a queue with one request."""
        by_queue: dict[str, list[Ring]] = {}
        for ring in rings:
            self._expected.get(ring.queue, {}).pop(ring.number, None)
            if self.push is not None and ring.receipt in self.push.unanswered:
                self.push.unanswered.discard(ring.receipt)  # the event source removes what is answered
            elif ring.receipt:
                by_queue.setdefault(ring.queue, []).append(ring)
        for queue, own in by_queue.items():
            if len(own) == 1:
                await self._delete(own[0])
                continue
            starts = range(0, len(own), BATCH_MESSAGES_MAX)
            await together(self._delete_batch(queue, own[start : start + BATCH_MESSAGES_MAX]) for start in starts)

    async def dead_letters(self, *, now_us: int) -> Sequence[Ring]:
        """See `Queues.dead_letters`. Those of somebody else stay where they are, hidden for a while."""
        while messages := await self._messages(DEAD, DEAD_HIDDEN_SECONDS, BATCH_MESSAGES_MAX):
            if letters := self._ours(DEAD, messages):
                return [replace(letter, receives=RECEIVES_MAX) for letter in letters]
        return []

    async def remove_dead_letter(self, letter: Ring) -> None:
        """See `Queues.remove_dead_letter`."""
        await self._on(DEAD, "DeleteMessage", {"ReceiptHandle": letter.receipt})

    def next_visible_us(self, queue: str, now_us: int) -> int | None:
        """See `Queues.next_visible_us`: of what this process has put, or taken. Nothing while messages are pushed:
        who looked for them then would look all the time, in vain."""
        if self.push is not None:
            return None
        return min(self._expected.get(queue, {}).values(), default=None)

    async def make(self) -> None:
        """Make the queues that every store has. Idempotent."""
        for queue in (DEAD, TURNS):
            await self._url(queue)

    def _rank(self, rings: Sequence[Ring]) -> None:
        self._ranked.update(ring.queue for ring in rings if ring.priority)

    # --- what is expected -------------------------------------------------------------------------------------------

    def _expect(self, ring: Ring, visible_us: int, now_us: int) -> None:
        visible_us = now_us + seconds_until(visible_us, now_us) * 1_000_000  # as the queue counts: in whole seconds
        self._expected.setdefault(ring.queue, {})[ring.number] = visible_us

    def _forget_due(self, queue: str, now_us: int) -> None:
        """Nothing is visible: what should have been is with somebody else."""
        expected = self._expected.get(queue, {})
        self._expected[queue] = {name: at for name, at in expected.items() if at > now_us}

    # --- requests ---------------------------------------------------------------------------------------------------

    def _entry(self, ring: Ring, now_us: int) -> dict[str, Any]:
        body = [ring.instance_id, ring.task_id, ring.attempt, ring.priority, ring.number, ring.queue]
        entry: dict[str, Any] = {"MessageBody": json.dumps(body, ensure_ascii=False, separators=(",", ":"))}
        delay = max(seconds_until(ring.visible_us, now_us), 0)
        return entry | ({"DelaySeconds": delay} if delay else {})

    async def _send(self, queue: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Send a batch; what SQS has not taken of it is sent again."""
        left = [{"Id": str(index), **entry} for index, entry in enumerate(entries)]
        for attempt in range(ATTEMPTS_MAX):
            failed = (await self._on(queue, "SendMessageBatch", {"Entries": left})).get("Failed", ())
            if not failed:
                return
            wrong = [each for each in failed if each.get("SenderFault")]
            if wrong:
                raise StoreError(
                    f"SQS refused a message to {queue!r}: {wrong[0].get('Code')} {wrong[0].get('Message')}"
                )
            ids = {each["Id"] for each in failed}
            left = [entry for entry in left if entry["Id"] in ids]
            await self._call.patience.pause(attempt)
        raise StoreUnavailable(f"SQS took only some messages to {queue!r}; {ATTEMPTS_MAX} attempts were in vain.")

    async def receive(self, queue: str, seconds: int, limit: int, wait_seconds: int = 0) -> list[Ring]:
        """Messages of one request, hidden from others for so many seconds; waits so long for the first."""
        return self._ours(queue, await self._messages(queue, seconds, limit, wait_seconds))

    async def _messages(
        self, queue: str, seconds: int, limit: int, wait_seconds: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        asked = {
            "MaxNumberOfMessages": min(limit, BATCH_MESSAGES_MAX),
            "VisibilityTimeout": seconds,
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
        }
        messages: Sequence[Mapping[str, Any]] = (await self._on(queue, "ReceiveMessage", asked)).get("Messages", ())
        return messages

    def _ours(self, queue: str, messages: Sequence[Mapping[str, Any]]) -> list[Ring]:
        """What the messages refer to that are ours; the others are told of, once each."""
        found: list[Ring] = []
        for message in messages:
            try:
                ring = ring_of(message)
                if queue != DEAD and self.name_of(queue) != self.name_of(ring.queue):
                    raise foreign(message, f"it is for the queue {ring.queue!r}")
                found.append(ring)
            except StoreError as error:
                self._tell(str(message.get("MessageId")), self.name_of(queue), error)
        return found

    def _tell(self, message_id: str, queue: str, error: StoreError) -> None:
        if message_id not in self._told:
            self._told[message_id] = None
            if len(self._told) > TOLD_MAX:
                del self._told[next(iter(self._told))]
            self._say("error", f"on the queue {queue}: {error}", {"queue": queue, "message_id": message_id})

    async def show(self, rings: Sequence[Ring]) -> None:
        """Give messages back that were received and not taken."""
        await together(self._change(ring, 0) for ring in rings)

    async def _change(self, ring: Ring, seconds: int) -> None:
        if ring.receipt:
            await self._quietly(
                ring.queue, "ChangeMessageVisibility", {"ReceiptHandle": ring.receipt, "VisibilityTimeout": seconds}
            )

    async def _delete(self, ring: Ring) -> None:
        if ring.receipt:
            await self._quietly(ring.queue, "DeleteMessage", {"ReceiptHandle": ring.receipt})

    async def _delete_batch(self, queue: str, rings: Sequence[Ring]) -> None:
        """Delete several; those that SQS has not deleted are delivered again, and then found to be old."""
        entries = [{"Id": str(index), "ReceiptHandle": ring.receipt} for index, ring in enumerate(rings)]
        await self._quietly(queue, "DeleteMessageBatch", {"Entries": entries})

    async def _quietly(self, queue: str, operation: str, parameters: Mapping[str, Any]) -> None:
        try:
            await self._on(queue, operation, parameters)
        except AwsError as error:
            if error.code not in GONE:
                raise StoreError(f"SQS refused {operation} on {queue!r}: {error}") from error

    async def _on(self, queue: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        url = await self._url(queue)
        try:
            return await self._call("sqs", operation, {"QueueUrl": url, **parameters})
        except AwsError as error:
            if error.code in MISSING:
                self._urls.pop(queue, None)
                raise StoreUnavailable(f"The queue {self.name_of(queue)!r} is gone.") from error
            raise

    async def _url(self, queue: str) -> str:
        if queue not in self._urls:
            self._urls[queue] = await self._find(queue) or await self._create(queue)
        return self._urls[queue]

    async def _find(self, queue: str) -> str | None:
        try:
            url: str = (await self._call("sqs", "GetQueueUrl", {"QueueName": self.name_of(queue)}))["QueueUrl"]
        except AwsError as error:
            if error.code in MISSING:
                return None
            raise StoreError(f"SQS refused the queue {self.name_of(queue)!r}: {error}") from error
        return url

    async def _create(self, queue: str) -> str:
        attributes = {"MessageRetentionPeriod": str(RETENTION_SECONDS)}
        if queue != DEAD:
            asked = {"QueueUrl": await self._url(DEAD), "AttributeNames": ["QueueArn"]}
            arn = (await self._call("sqs", "GetQueueAttributes", asked))["Attributes"]["QueueArn"]
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_MAX})
        try:
            reply = await self._call("sqs", "CreateQueue", {"QueueName": self.name_of(queue), "Attributes": attributes})
        except AwsError as error:
            raise StoreError(f"SQS refused to make the queue {self.name_of(queue)!r}: {error}") from error
        url: str = reply["QueueUrl"]
        return url

    def name_of(self, queue: str) -> str:
        """See `queue_name`."""
        return queue_name(self._prefix, queue)


def queue_name(prefix: str, queue: str) -> str:
    """The name that SQS knows a queue by: at most 80 letters, digits, hyphens and underscores.

    Attempts of local activities that are to be made again ride with the bells: whoever serves the ones serves the
    others, and no event source has to poll another queue for them.
    """
    queue = TURNS if queue == LOCAL else queue
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", queue.removeprefix("nexus:"))
    if plain != queue.removeprefix("nexus:") or len(plain) + len(prefix) > 70:
        plain = f"{plain[:20]}-{sha256(queue.encode()).hexdigest()[:12]}"
    kind = "nexus" if queue.startswith("nexus:") else "queue"
    return f"{prefix}-{kind}-{plain}"


def foreign(message: Mapping[str, Any], why: str) -> StoreError:
    """What is said of a message that is not ours."""
    return StoreError(
        f"message {message.get('MessageId', '')} is not one of this store's: {why}.",
        hint="It stays there, and after some deliveries it is a dead letter. Whoever sends it has the wrong queue.",
    )


def seconds_until(when_us: int, now_us: int) -> int:
    """Whole seconds, rounded up: never early."""
    return -((now_us - when_us) // 1_000_000)


def batches(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The entries in requests that SQS takes: so many at a time, and so many bytes together."""
    batch: list[Mapping[str, Any]] = []
    total = 0
    for entry in entries:
        size = len(entry["MessageBody"].encode())
        if batch and (len(batch) == BATCH_MESSAGES_MAX or total + size > MESSAGE_BYTES_MAX):
            yield batch
            batch, total = [], 0
        batch.append(entry)
        total += size
    if batch:
        yield batch


def ring_of(message: Mapping[str, Any]) -> Ring:
    """A message as it was received.

    Raises:
        StoreError: it is not one of ours.
    """
    try:
        fields = json.loads(message["Body"])[:6]
        kinds = [type(field) for field in fields]
    except (ValueError, TypeError, RecursionError) as error:
        raise foreign(message, f"{type(error).__name__}: {error}") from None
    if kinds != [str, str, int, int, int, str]:
        raise foreign(message, f"got {shown(fields)}")
    instance_id, task_id, attempt, priority, number, queue = fields
    receives = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Ring(
        number,
        queue,
        instance_id,
        task_id,
        attempt,
        priority,
        is_taken=True,
        receives=receives,
        receipt=message["ReceiptHandle"],
    )
