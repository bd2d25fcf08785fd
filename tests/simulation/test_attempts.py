"""The number of an attempt counts those that failed and those that were lost; each attempt is given to one holder."""

from __future__ import annotations

import pytest

from nexus_sdk.codec import wire
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.store.port import Task, TaskDelivery
from nexus_sdk.testing.laws import LawBroken
from nexus_sdk.testing.simulation.attempts import Attempts

NOW_US = 1_000_000


def delivered(attempt: int, *, failed: int = 0, times: int = 1, token: str = "w/1") -> TaskDelivery:
    """A delivery of an attempt that `failed` others went before, for the so-and-so-many'th time."""
    arguments = MsgpackCodec().encode(None)
    failures = tuple(Failure("Oh", "no") for _ in range(failed))
    request = ActivityRequest("a", "r", "0", "w", "1", "n", arguments, ActivityOptions(), 0, failures=failures)
    return TaskDelivery(Task("r:0", "q", "a", "r", wire.encode_request(request), attempt=attempt), token, times)


def test_what_failed_and_what_was_lost_is_counted() -> None:
    attempts = Attempts()
    attempts.note_lease(delivered(1), NOW_US)
    attempts.note_lease(delivered(2, times=2, token="w/2"), NOW_US)
    attempts.note_lease(delivered(3, failed=2, token="w/3"), NOW_US)


def test_what_was_given_back_is_not() -> None:
    attempts = Attempts()
    attempts.note_given_back(delivered(1))
    with pytest.raises(LawBroken, match="law 4, a: attempt 1 of task r:0 is said to follow 0 that failed and 1 that"):
        attempts.note_lease(delivered(1, times=2, token="w/2"), NOW_US)


def test_an_attempt_is_given_to_one_holder_until_he_gives_it_back() -> None:
    attempts = Attempts()
    attempts.note_lease(delivered(1), NOW_US)
    attempts.note_given_back(delivered(1))
    attempts.note_lease(delivered(1, token="w/2"), NOW_US)
    with pytest.raises(LawBroken, match="law 10, a: attempt 1 of task r:0 was given out twice"):
        attempts.note_lease(delivered(1, token="w/3"), NOW_US)


def test_a_reply_that_is_repeated_says_the_same_again() -> None:
    attempts = Attempts()
    attempts.note_lease(delivered(1), NOW_US)
    attempts.note_lease(delivered(1), NOW_US)
