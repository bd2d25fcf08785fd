"""What would not fit into an item of a cloud is noticed where it is written."""

from __future__ import annotations

from nexus_sdk.store.port import InboxMessage, Task
from nexus_sdk.testing.simulation.bounds import breaches_of_sizes


def test_what_fits_is_no_breach() -> None:
    assert list(breaches_of_sizes("dynamodb", [bytes(390_000), InboxMessage("m", "i", bytes(300_000))])) == []


def test_an_item_that_is_too_large_is_one() -> None:
    task = Task("t", "q", "i", "r", bytes(250_000), details=bytes(250_000))
    (said,) = breaches_of_sizes("dynamodb", [task])
    assert said == "Task of 502,000 bytes: an item of dynamodb has 409,600 at most"


def test_a_store_that_is_nobodys_has_no_bounds() -> None:
    assert list(breaches_of_sizes("memory", [bytes(10_000_000)])) == []
