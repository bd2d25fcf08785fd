"""Threads for synchronous activities: few as long as few are needed, and none that keeps the process from ending."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

import nexus_sdk
from nexus_sdk.runtimes.threads import DaemonThreads


def test_calls_give_back_values_and_raise_errors() -> None:
    with DaemonThreads(2, "test") as threads:
        assert threads.submit(max, 1, 2).result(20) == 2
        with pytest.raises(ZeroDivisionError):
            threads.submit(lambda: 1 / 0).result(20)
        assert list(threads.map(abs, [-1, 2, -3], timeout=20)) == [1, 2, 3]


def test_a_thread_is_started_only_when_all_others_are_busy() -> None:
    with DaemonThreads(8, "test") as threads:
        names = set()
        for _ in range(20):
            names.add(threads.submit(lambda: threading.current_thread().name).result(20))
            while threads._idle._value == 0:
                time.sleep(0)  # it has given back its result and is about to be idle
        assert names == {"test 0"}


def test_so_many_calls_run_at_a_time_and_the_others_wait() -> None:
    gate, begun = threading.Event(), []
    with DaemonThreads(3, "test") as threads:
        calls = [threads.submit(lambda number=number: (begun.append(number), gate.wait(20))) for number in range(5)]
        while len(begun) < 3:
            time.sleep(0)
        assert sum(call.running() for call in calls) == 3
        gate.set()
        for call in calls:
            call.result(20)
    assert sorted(begun) == [0, 1, 2, 3, 4]


def test_calls_that_have_not_begun_can_be_cancelled_at_the_end() -> None:
    gate = threading.Event()
    threads = DaemonThreads(1, "test")
    first = threads.submit(gate.wait, 20)
    while not first.running():
        time.sleep(0)
    second = threads.submit(gate.wait, 20)
    threads.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert first.result(20)
    with pytest.raises(CancelledError):
        second.result(20)
    with pytest.raises(RuntimeError):
        threads.submit(gate.wait, 20)


def test_they_end_with_the_executor() -> None:
    threads = DaemonThreads(2, "test")
    threads.submit(int).result(20)
    (thread,) = threads._threads
    del threads
    thread.join(20)
    assert not thread.is_alive()


def test_one_that_hangs_does_not_keep_the_process() -> None:
    program = """
import threading
from nexus_sdk.runtimes.threads import DaemonThreads
begun = threading.Event()
DaemonThreads(1, "test").submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
"""
    root = str(Path(nexus_sdk.__file__).parent.parent)
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env={"PYTHONPATH": root})
    assert ended.returncode == 0
