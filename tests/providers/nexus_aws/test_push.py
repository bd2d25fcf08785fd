"""Messages that were handed to a function: nothing else is looked for meanwhile."""

from __future__ import annotations

from nexus_aws.call import Patience, PatientCall
from nexus_aws.sqs import Push, SqsQueues, queue_name
from nexus_sdk.store.port import LOCAL, TURNS
from nexus_sdk.store.split.rings import Ring

NOW_US = 1_000_000_000


async def call(service: str, operation: str, parameters: object) -> dict[str, object]:
    return {"QueueUrl": "turns"} if operation == "GetQueueUrl" else {}


async def no_pause(seconds: float) -> None:
    raise AssertionError("nothing fails here")


def ring() -> Ring:
    return Ring(1, TURNS, "a", "", 0, 0, visible_us=NOW_US)


async def test_what_this_process_has_put_is_not_looked_for_while_messages_are_pushed() -> None:
    """Its own message, due now, would have the dispatcher look without end: nothing but what is pushed can be taken."""
    queues = SqsQueues(PatientCall(call, Patience(lambda: 0.5, no_pause)), "orders")
    await queues.put([ring()], now_us=NOW_US)
    assert queues.next_visible_us(TURNS, NOW_US) == NOW_US
    queues.push = Push([ring()])
    assert queues.next_visible_us(TURNS, NOW_US) is None
    taken = await queues.take(TURNS, limit=10, now_us=NOW_US, until_us=NOW_US + 1, holder="me")
    assert len(taken) == 1
    queues.push = None
    assert queues.next_visible_us(TURNS, NOW_US) is None  # nor kept for ever: it was handed over


def test_local_attempts_ride_with_the_bells() -> None:
    assert queue_name("orders", LOCAL) == queue_name("orders", TURNS) == "orders-nexus-turns"
