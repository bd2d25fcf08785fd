"""The watchdog: what spins is stopped, what does not is left alone, and short blocks wake nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from nexus_sdk.errors import WorkflowSpinningError
from nexus_sdk.runtimes.watchdog import ThreadWatchdog, _Spinning, _Watch


def spin() -> None:
    while True:
        pass


def spin_under(watchdog: ThreadWatchdog) -> None:
    watchdog.watch("a", spin)


def nothing() -> None:
    pass


def test_a_block_that_spins_is_stopped() -> None:
    with pytest.raises(WorkflowSpinningError):
        spin_under(ThreadWatchdog(0.05))


def test_it_stops_one_after_another_and_after_a_rest() -> None:
    watchdog = ThreadWatchdog(0.05)
    for _ in range(3):
        with pytest.raises(WorkflowSpinningError):
            spin_under(watchdog)
        while watchdog._thread is not None:
            time.sleep(0)


def test_a_block_has_all_its_time_however_many_began_before_it() -> None:
    watchdog = ThreadWatchdog(0.2)
    for _ in range(3):
        watchdog.watch("a", nothing)
    began = time.monotonic()
    with pytest.raises(WorkflowSpinningError):
        spin_under(watchdog)
    assert time.monotonic() - began >= 0.2


def test_short_blocks_start_one_thread_and_it_ends_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def counted(self: threading.Thread) -> None:
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", counted)
    watchdog = ThreadWatchdog(0.05)
    for _ in range(100):
        watchdog.watch("a", nothing)
    (thread,) = started[:1]
    thread.join(60)
    assert not thread.is_alive()
    assert len(started) <= 10  # more than one only where the hundred took longer than its patience


def test_what_the_block_returns_and_raises_is_passed_on() -> None:
    watchdog = ThreadWatchdog()
    assert watchdog.watch("a", divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        watchdog.watch("a", divmod, 7, 0)
    assert not watchdog._watched


LEFT_BEFORE_IT_ARRIVED = """
import sys, threading
from nexus_sdk.runtimes.watchdog import ThreadWatchdog, _Watch
watchdog, watch = ThreadWatchdog(60.0), _Watch(threading.get_ident())
watchdog._begin(watch)
watch.has_barked = True
watchdog._end(watch)
called = []
sys.settrace(lambda frame, event, argument: called.append(event))
(lambda: None)()
sys.settrace(None)
print(called)
"""


def test_a_debugger_works_after_a_block_that_was_left_just_in_time() -> None:
    """In a process of its own: where it does not work, nothing interrupts it."""
    done = subprocess.run([sys.executable, "-c", LEFT_BEFORE_IT_ARRIVED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['call']\n", done.stdout + done.stderr


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("is_late", [False, True], ids=["before it does anything", "when it is done"])
def test_leaving_that_is_interrupted_is_done_again(times: int, is_late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the thread would be told for ever to stop whatever it does."""
    watchdog = ThreadWatchdog(0.01)
    end, left = watchdog._end, times

    def interrupted(watch: _Watch) -> None:
        nonlocal left
        if is_late:
            end(watch)
        if left:
            left -= 1
            raise _Spinning
        end(watch)

    monkeypatch.setattr(watchdog, "_end", interrupted)
    with pytest.raises(WorkflowSpinningError):
        spin_under(watchdog)
    assert not watchdog._watched
    assert not watchdog._lock.locked()


@pytest.fixture
def _threads_alternate_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_alternate_often")
def test_it_can_stop_at_any_instruction_and_nothing_is_left_behind() -> None:
    """Its patience is as short as the way out of a block, so that it also stops what is being left already."""
    watchdog = ThreadWatchdog(0.00002)
    for _ in range(1_000):
        with pytest.raises(WorkflowSpinningError):
            spin_under(watchdog)
        assert not watchdog._watched


def test_code_that_swallows_it_is_told_again() -> None:
    told = 0

    def stubborn() -> None:
        nonlocal told
        while told < 3:
            try:
                spin()
            except BaseException:
                told += 1

    with pytest.raises(WorkflowSpinningError):
        ThreadWatchdog(0.002).watch("a", stubborn)
    assert told == 3
