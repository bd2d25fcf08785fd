"""All workloads, and what is asked of them."""

from __future__ import annotations

from benchmarks.workloads import (
    cold_start,
    fan_out,
    many,
    replay,
    sleeping,
    steps,
    two_processes,
    writes,
)
from benchmarks.workloads.base import Target, Workload

HALF_OF_RAW = Target("of_raw_commits", at_least=0.5)
FLAT = Target("times_a_step_of_few", at_most=1.2)
WIDE = Target("per_s", at_least=20_000)
FAST_REPLAY = Target("per_s", at_least=500_000)

STEPS_SHOWN = ("per_s", "of_raw_commits", "us_each", "cpu_us_each")
FAN_SHOWN = ("per_s", "seconds", "cpu_us_each", "peak_mb")
REPLAY_SHOWN = ("per_s", "us_each", "decoding_us_each", "peak_mb")
WRITES_SHOWN = ("transactions_each", "fsyncs_each", "bytes_each")

ALL = (
    Workload("W1/100", 100, 5, steps.warm, STEPS_SHOWN, (HALF_OF_RAW,)),
    Workload("W1/1000", 1_000, 5, steps.warm, STEPS_SHOWN, (HALF_OF_RAW,)),
    Workload("W1/5000", 5_000, 5, steps.warm, (*STEPS_SHOWN, "times_a_step_of_few"), (HALF_OF_RAW, FLAT)),
    Workload("W1cold/100", 100, 5, steps.cold, STEPS_SHOWN),
    Workload("W1cold/1000", 1_000, 5, steps.cold, (*STEPS_SHOWN, "times_a_step_of_few")),
    Workload("W2/1000", 1_000, 10, fan_out.asynchronous, FAN_SHOWN, (WIDE,)),
    Workload(
        "W2/10000",
        10_000,
        10,
        fan_out.asynchronous,
        FAN_SHOWN,
        (WIDE, Target("seconds", at_most=1.0), Target("peak_mb", at_most=80)),
    ),
    Workload("W2plain/1000", 1_000, 10, fan_out.threaded, FAN_SHOWN),
    Workload(
        "W3/1000",
        1_000,
        5,
        many.in_flight,
        ("per_s", "p50_ms", "p99_ms", "steps_per_s", "cpu_us_each"),
        (Target("per_s", at_least=2_600), Target("p99_ms", at_most=50)),
    ),
    Workload("W4/1000", 1_000, 20, replay.from_the_start, REPLAY_SHOWN, (), replay.record),
    Workload("W4/10000", 10_000, 20, replay.from_the_start, REPLAY_SHOWN, (FAST_REPLAY,), replay.record),
    Workload(
        "W4/50000",
        50_000,
        20,
        replay.from_the_start,
        REPLAY_SHOWN,
        (FAST_REPLAY, Target("peak_mb", at_most=60)),
        replay.record,
    ),
    Workload(
        "W5",
        15,
        1,
        cold_start.imported,
        ("cpu_ms_over_bare", "ms_over_bare", "modules", "installed_mb", "cpu_ms_bare"),
        (Target("cpu_ms_over_bare", at_most=60), Target("modules", at_most=199), Target("installed_mb", at_most=15)),
    ),
    Workload(
        "W6",
        1_000,
        5,
        writes.of_one,
        WRITES_SHOWN,
        (
            Target("transactions_each", at_most=1.02),  # the first turn and the end are no steps
            Target("fsyncs_each", at_most=1.05),  # two more at each checkpoint of SQLite's log
            Target("bytes_each", at_most=10_240),
        ),
    ),
    Workload("W6many", 400, 5, writes.of_many, WRITES_SHOWN[1:], (Target("fsyncs_each", at_most=0.1),)),
    Workload(
        "W7/10000",
        10_000,
        5,
        sleeping.sleeping,
        ("kb_each", "start_seconds", "asleep_seconds", "cpu_us_each", "threads_more", "tasks_more"),
        (
            Target("kb_each", at_most=1),
            Target("start_seconds", at_most=2),
            Target("threads_more", at_most=10),
            Target("tasks_more", at_most=10),
        ),
    ),
    Workload(
        "W8",
        500,
        5,
        two_processes.start_to_finish,
        ("p50_ms", "p99_ms", "idle_cpu_percent"),
        (Target("p50_ms", at_most=10), Target("p99_ms", at_most=50), Target("idle_cpu_percent", at_most=0.5)),
    ),
)
"""In the order of the table. 2,600 workflows per second are five times what the best durable peer does (see README)."""

BY_NAME = {workload.name: workload for workload in ALL}


def chosen(names: str | None) -> list[Workload]:
    """Those that a comma-separated list names, by their whole name or the part before the slash; all for None.

    Raises:
        KeyError: it names something else.
    """
    if names is None:
        return list(ALL)
    found = []
    for name in names.split(","):
        matching = [workload for workload in ALL if name in (workload.name, workload.name.partition("/")[0])]
        if not matching:
            raise KeyError(name)
        found += matching
    return found
