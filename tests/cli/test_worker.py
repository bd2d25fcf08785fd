"""What the worker's line says."""

from __future__ import annotations

from nexus_sdk.cli.commands.worker import Tally
from nexus_sdk.core.status import Status


def counts(**by_name: int) -> dict[Status, int]:
    return {status: by_name.get(status.value, 0) for status in Status}


def test_before_the_first_count_it_says_so() -> None:
    assert Tally().text() == "counting"


def test_ends_count_from_the_first_look_on() -> None:
    tally = Tally()
    tally.take(counts(completed=10, running=2, pending=1))
    assert tally.text() == "3 running"
    tally.take(counts(completed=12, failed=1, blocked=1))
    assert tally.text() == "0 running · 1 blocked · since start 2 completed, 1 failed"


def test_what_is_purged_meanwhile_makes_no_number_negative() -> None:
    tally = Tally()
    tally.take(counts(completed=10))
    tally.take(counts(completed=0))
    assert set(tally.ends().values()) == {0}
    tally.take(counts(completed=3))
    assert tally.ends()["completed"] == 3


def test_a_store_that_does_not_answer_is_said_last() -> None:
    tally = Tally()
    tally.take(counts(running=1))
    tally.is_answered = False
    assert tally.text() == "1 running · the store does not answer"
