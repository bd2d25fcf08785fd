"""The shares of a profile: each sample counts once, for the part whose code was running."""

from __future__ import annotations

from benchmarks.catalogue import BY_NAME
from benchmarks.shares import PARTS, REST, part_of, shared_out, table

STACK = "run (asyncio/runners.py:190);warm (benchmarks/workloads/steps.py:17)"


def test_the_innermost_frame_counts() -> None:
    assert part_of(f"{STACK};resume (nexus_sdk/core/fiber.py:81)") == "the core: fibers, operations, the ledger"
    assert part_of(f"{STACK};commit (nexus_sdk/store/sqlite/turns.py:28)") == PARTS[0][0]
    assert part_of(f"{STACK};_run_once (asyncio/base_events.py:1845)") == "asyncio, and threads that wake each other"
    assert part_of(f"{STACK};sleep (somewhere.py:1)") == REST


def test_starting_the_process_does_not_count() -> None:
    assert part_of("main (benchmarks/apart.py:73);_find_and_load (<frozen importlib._bootstrap>:1176)") is None


def test_samples_are_added_up_and_shown_in_percent() -> None:
    core, sqlite = (
        f"{STACK};resume (nexus_sdk/core/fiber.py:81)",
        f"{STACK};commit (nexus_sdk/store/sqlite/turns.py:28)",
    )
    found = shared_out([f"{core} 1", f"{core} 2", f"{sqlite} 9"])
    assert found.total() == 12
    lines = table([(BY_NAME["W1/1000"], found)]).splitlines()
    assert "| statements of SQLite, and what builds them | 75 % |" in lines
    assert "| the core: fibers, operations, the ledger | 25 % |" in lines
