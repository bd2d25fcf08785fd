"""Plays the event-source mapping: receives from every queue, invokes the function, removes what it answered.

As the real one it delivers late, twice, in any order and by halves; and it may be that a function dies. All of it, and
the time, come from a seed: nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from nexus_aws.store import AwsStore
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.runtime_api import FunctionDied

T = TypeVar("T")

VISIBILITY_SECONDS = 90
"""The queue's own: longer than a function may take."""

BATCH_MAX = 4

T0_US = 1_767_225_600_000_000


Message = tuple[str, Mapping[str, Any]]
"""The URL of a queue, and what was received from it."""


class Invoke(Protocol):
    """Invokes a function in one of its containers."""

    def __call__(self, event: Any, custom: Mapping[str, Any], container: int) -> Any:
        """What it gives.

        Raises:
            FunctionDied: it is gone.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """What is delivered by one invocation, and what will become of it."""

    messages: Sequence[Message]
    custom: Mapping[str, Any]
    kept: Sequence[bool]
    container: int

    @property
    def event(self) -> dict[str, Any]:
        """As the function gets it."""
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "eventSource": "aws:sqs",
            }
            for _, message in self.messages
        ]
        return {"Records": records}


@dataclass(frozen=True, slots=True)
class Trouble:
    """How likely each kind of trouble is.

    Attributes:
        death: an invocation dies, after up to `requests` requests.
        twice: a message is delivered once more although it is hidden.
        kept: a message that was answered is not removed.
    """

    death: float = 0.0
    twice: float = 0.0
    kept: float = 0.0
    requests: int = 40


@dataclass(slots=True)
class Pump:
    """See above.

    Attributes:
        now_us: what time it is; 0: real time.
        containers: so many invocations are under way at a time.
        deaths: so many invocations have died; `failed`: so many messages were reported as failed.
    """

    cloud: Cloud
    store: AwsStore
    invoke: Invoke
    queues: Sequence[str]
    chance: Random
    trouble: Trouble = Trouble()
    now_us: int = T0_US
    containers: int = 1
    deaths: int = 0
    failed: int = 0
    _again: list[Message] = field(default_factory=list)

    def round(self) -> int:
        """Deliver what is there; how many messages that were."""
        messages = [message for queue in self.queues for message in self._received(queue)]
        messages, self._again = messages + self._again, []
        self.chance.shuffle(messages)
        at_a_time = BATCH_MAX * self.containers
        for start in range(0, len(messages), at_a_time):
            self._deliver(messages[start : start + at_a_time])
        return len(messages)

    def call(self, event: Any) -> Any:
        """The answer to an event that is not a message; the same event again, if the function died."""
        while True:
            try:
                return self.invoke(event, self._custom(), self.chance.randrange(self.containers))
            except FunctionDied:
                self.deaths += 1

    def jump(self, seconds: float) -> None:
        """Let time pass; real time passes by itself."""
        if self.now_us:
            self.now_us += round(seconds * 1_000_000)

    def _custom(self) -> dict[str, Any]:
        self.jump(0.05)
        custom: dict[str, Any] = {"now_us": self.now_us}
        if self.chance.random() < self.trouble.death:
            custom["dies_after"] = self.chance.randrange(self.trouble.requests)
        return custom

    def _received(self, queue: str) -> Iterator[Message]:
        url = self._ask(self.store.sqs._url(queue))
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": VISIBILITY_SECONDS}
        asked["MessageSystemAttributeNames"] = ["ApproximateReceiveCount"]
        for message in self._ask(self.cloud("sqs", "ReceiveMessage", asked)).get("Messages", ()):
            yield url, message

    def _deliver(self, messages: Sequence[Message]) -> None:
        """Deliver some in batches that are under way at the same time."""
        self._again += [message for message in messages if self.chance.random() < self.trouble.twice]
        portions = [messages[start : start + BATCH_MAX] for start in range(0, len(messages), BATCH_MAX)]
        batches = [
            Batch(portion, self._custom(), [self.chance.random() < self.trouble.kept for _ in portion], container)
            for container, portion in enumerate(portions)
        ]
        with ThreadPoolExecutor(self.containers) as threads:
            answers = list(threads.map(self._invoked, batches))
        for batch, answer in zip(batches, answers, strict=True):
            if answer is None:
                self.deaths += 1
            else:
                self._remove(batch, {failure["itemIdentifier"] for failure in answer["batchItemFailures"]})

    def _invoked(self, batch: Batch) -> Mapping[str, Any] | None:
        """The answer to a batch; None: the function died."""
        try:
            answer: Mapping[str, Any] = self.invoke(batch.event, batch.custom, batch.container)
        except FunctionDied:
            return None
        return answer

    def _remove(self, batch: Batch, failed: set[str]) -> None:
        self.failed += len(failed)
        for (url, message), is_kept in zip(batch.messages, batch.kept, strict=True):
            if message["MessageId"] not in failed and not is_kept:
                receipt = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
                self._ask(self.cloud("sqs", "DeleteMessage", receipt))

    def _ask(self, task: Coroutine[Any, Any, T]) -> T:
        return sync(task, self.now_us)


def sync(task: Coroutine[Any, Any, T], now_us: int = 0) -> T:
    """The result of something asynchronous, from a test that is not; for the emulator it is that time."""

    async def timed() -> T:
        now.set(now_us)
        return await task

    return asyncio.run(timed())
