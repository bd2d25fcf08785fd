"""What the queues of a simulated world do: each fault does what it says, and a queue that pushes cannot be asked."""

from __future__ import annotations

import asyncio
from random import Random

from nexus_sdk.store.split.rings import Ring
from nexus_sdk.testing.clock import FakeClock
from nexus_sdk.testing.simulation.queues import ANSWER_SECONDS, PushingQueue, UnrulyQueue
from nexus_sdk.testing.simulation.rates import Rates

NOTED: list[tuple[str, str]] = []


def queue(kind: type[UnrulyQueue] = UnrulyQueue, *, receives_max: int | None = None, **rates: float) -> UnrulyQueue:
    NOTED.clear()
    return kind(
        Random(0),
        Rates(**rates),
        FakeClock(0),
        lambda fault, call: NOTED.append((fault, call)),
        receives_max=receives_max,
        delay_us_max=1_000_000,
    )


def ring(number: int = 0) -> Ring:
    return Ring(0, "q", f"i{number}")


def take(from_: UnrulyQueue, *, now_us: int = 0, holder: str = "a") -> Ring | None:
    return from_.take("q", now_us=now_us, until_us=now_us + 500, holder=holder)


def test_without_faults_it_is_a_queue() -> None:
    calm = queue()
    for number in range(3):
        calm.put(ring(number))
    assert [taken.instance_id for _ in range(3) if (taken := take(calm))] == ["i0", "i1", "i2"]
    assert take(calm) is None
    assert NOTED == []


def test_what_is_put_may_be_lost_or_doubled() -> None:
    losing = queue(lost_ring=1.0)
    losing.put(ring())
    assert take(losing) is None
    doubling = queue(duplicate=1.0)
    doubling.put(ring())
    assert take(doubling)
    assert take(doubling)
    assert NOTED == [("duplicate", "put")]


def test_what_was_acknowledged_may_come_again() -> None:
    again = queue(redeliver=1.0)
    again.put(ring())
    taken = take(again)
    assert taken is not None
    again.remove("q", taken.number)
    assert take(again, now_us=5_000_000)


def test_a_delay_is_bounded() -> None:
    bounded = queue()
    bounded.put(Ring(0, "q", "i", visible_us=3_600_000_000))
    assert bounded.next_visible_us("q") == 1_000_000


def test_what_was_delivered_too_often_goes_to_the_dead_letters() -> None:
    impatient = queue(receives_max=3, dead_letter=1.0)
    impatient.put(ring())
    assert take(impatient)
    assert take(impatient, now_us=500)
    assert take(impatient, now_us=1_000) is None, "each later delivery counted twice"
    assert [letter.instance_id for letter in impatient.dead] == ["i0"]


def test_in_the_calm_nothing_goes_wrong() -> None:
    calm = queue(lost_ring=1.0, duplicate=1.0, redeliver=1.0, reorder=1.0)
    calm.is_calm = True
    calm.put(ring())
    taken = take(calm)
    assert taken is not None
    calm.remove("q", taken.number)
    assert take(calm, now_us=10_000_000) is None
    assert NOTED == []


async def test_a_queue_that_pushes_gives_only_what_it_has_pushed() -> None:
    pushing = queue(PushingQueue)
    assert isinstance(pushing, PushingQueue)
    woken: list[str] = []
    pushing.targets = lambda: [("a", lambda: woken.append("a"))]
    pushing.put(ring())
    assert take(pushing) is None
    await asyncio.sleep(0)
    assert woken == ["a"]
    assert take(pushing, holder="b") is None
    assert take(pushing, holder="a")
    assert pushing.next_visible_us("q") is None


async def test_what_nobody_answers_for_is_pushed_to_somebody_else() -> None:
    true = FakeClock(0)
    pushing = PushingQueue(Random(0), Rates(), true, lambda *_: None, receives_max=None, delay_us_max=None)
    pushing.targets = lambda: [("dead", lambda: None)]
    pushing.put(ring())
    await asyncio.sleep(0)
    pushing.targets = lambda: [("alive", lambda: None)]
    true.jump_to(round(ANSWER_SECONDS * 1_000_000))
    assert take(pushing, now_us=true.now_us(), holder="alive")
