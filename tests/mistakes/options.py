"""Durations, times, pages, and the other options of calls and commands."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.mistakes import orders
from tests.mistakes.bench import LONG, Bench, Python, Row, Typed

_FRESH = ("--store", "sqlite:///fresh.db")

_DURATION = (
    Python("delay", lambda bench, delay: bench.fresh.start(orders.keep, delay=delay)),
    Python("timeout of a result", lambda bench, timeout: bench.client.get("waiting").result(timeout=timeout)),
)
_SINCE = (
    Python("list", lambda bench, when: bench.client.list(created_after=when)),
    Python("count", lambda bench, when: bench.client.count(created_after=when)),
)
_LIMIT = (Python("list", lambda bench, limit: bench.client.list(limit=limit)),)
_STATUS = (
    Python("list", lambda bench, status: bench.client.list(status=status)),
    Python("count", lambda bench, status: bench.client.count(status=status)),
)


async def _work(bench: Bench, **options: Any) -> None:
    async with bench.app.worker(**options):
        pass


def _worker(option: str) -> tuple[Python]:
    return (Python(f"worker {option}", lambda bench, given: _work(bench, **{option: given})),)


def _row(name: str, thing: Any, *words: str, faces: Any, code: str = "NX321") -> Row:
    return Row(name, thing, code, words, faces)


def _typed(name: str, given: Any, *words: str, typed: tuple[str, ...], code: str = "NX801", exit_code: int = 2) -> Row:
    faces = [Typed(typed[0], lambda bench, thing: [*typed, *([] if thing is None else [thing])], exit_code=exit_code)]
    return Row(name, given, code, words, faces)


ROWS = [
    _row("a negative duration", -1, "cannot be negative, got -1", faces=_DURATION),
    _row("a negative timedelta", timedelta(days=-1), "cannot be negative", faces=_DURATION),
    _row("a duration that is NaN", math.nan, "nan is not a duration", "1h30m", faces=_DURATION),
    _row("an infinite duration", math.inf, "inf is not a duration", faces=_DURATION),
    _row("a huge duration", 1e30, "longer than a hundred years", "Numbers are seconds", faces=_DURATION),
    _row("a duration of 400 digits", 10**400, "longer than a hundred years", faces=_DURATION),
    _row("a duration of 6,000 digits", 10**6000, "longer than a hundred years", "bits", faces=_DURATION),
    _row("the longest timedelta", timedelta.max, "longer than a hundred years", faces=_DURATION),
    _row("a duration in words", "1 fortnight", "'1 fortnight' is not a duration", "units", faces=_DURATION),
    _row("an empty duration", "", "'' is not a duration", faces=_DURATION),
    _row("a duration with a number left over", "1s1", "'1s1' is not a duration", faces=_DURATION),
    _row("a long text as a duration", LONG, "a str of", "is not a duration", faces=_DURATION),
    _row("a duration that is True", True, "True is not a duration", faces=_DURATION),
    _row("a duration that is a list", [1], "a list of 1 is not a duration", faces=_DURATION),
    _row("a naive delay", datetime(2030, 1, 1), "no time zone", "tzinfo=UTC", faces=_DURATION[:1]),
    _row("a naive time", datetime(2030, 1, 1), "no time zone", "tzinfo=UTC", faces=_SINCE),
    _row("a date for a time", date(2030, 1, 1), "expected a datetime", "tzinfo=UTC", faces=_SINCE),
    _row("a text for a time", LONG, "expected a datetime, got a str of", faces=_SINCE),
    _row("a limit of nothing", 0, "from 1 to 1000, got 0", "cursor", faces=_LIMIT),
    _row("a negative limit", -1, "from 1 to 1000", faces=_LIMIT),
    _row("a limit that is too high", 1001, "from 1 to 1000, got 1001", faces=_LIMIT),
    _row("a limit that is no number", "5", "from 1 to 1000, got '5'", faces=_LIMIT),
    _row("a limit that is True", True, "from 1 to 1000", faces=_LIMIT),
    _row("a status nobody has", "runing", "a status is one of", "Did you mean", "'running'", faces=_STATUS),
    _row("one wrong status of two", ["failed", "x"], "got 'x'", "Known:", faces=_STATUS),
    _row("a status that is a number", 5, "a status is one of", "got 5", faces=_STATUS),
    _row("a long status", LONG, "a status is one of", "got a str of", faces=_STATUS),
    Row(
        "a cursor of nobody",
        "tomorrow",
        "NX406",
        ("'tomorrow' is not a cursor", "or none"),
        (
            Python("list", lambda bench, cursor: bench.client.list(cursor=cursor)),
            Typed("list", lambda bench, cursor: ("list", "--cursor", cursor)),
        ),
    ),
    Row(
        "a cursor of 5,000 digits",
        "9" * 5000 + ":a",
        "NX406",
        ("is not a cursor",),
        (
            Python("list", lambda bench, cursor: bench.client.list(cursor=cursor)),
            Typed("list", lambda bench, cursor: ("list", "--cursor", cursor)),
        ),
    ),
    _row(
        "a cursor that is a number",
        5,
        "a cursor is a text, got 5",
        faces=(Python("list", lambda bench, cursor: bench.client.list(cursor=cursor)),),
    ),
    _row(
        "a conflict rule nobody knows",
        "ignore",
        "'raise' or 'attach', got 'ignore'",
        faces=(Python("start", lambda bench, rule: bench.fresh.start(orders.keep, on_conflict=rule)),),
    ),
    _row("no activity at a time", 0, "from 1 on, got 0", faces=_worker("concurrency"), code="NX101"),
    _row("half an activity at a time", 1.5, "a whole number from 1 on", faces=_worker("concurrency"), code="NX101"),
    _row("activities at a time in words", "many", "from 1 on, got 'many'", faces=_worker("concurrency"), code="NX101"),
    _row("a lease of no time", 0, "lease_seconds is a number of seconds", faces=_worker("lease_seconds"), code="NX101"),
    _row("a lease that is NaN", math.nan, "got nan", faces=_worker("lease_seconds"), code="NX101"),
    _row("a negative drain", -1, "drain_seconds", "got -1", faces=_worker("drain_seconds"), code="NX101"),
    _row(
        "a queue without a name",
        [""],
        "the name of a task queue has 1 to 256",
        faces=_worker("task_queues"),
        code="NX101",
    ),
    _row(
        "a queue with a reserved name",
        "nexus:turns",
        "'nexus:' are reserved",
        faces=_worker("task_queues"),
        code="NX101",
    ),
    _row("a queue that is a number", 5, "task_queues are names, got 5", faces=_worker("task_queues"), code="NX101"),
    _typed("--limit of nothing", "0", "limit", "0", typed=("list", "--limit")),
    _typed("--limit in words", "many", "--limit", typed=("list", "--limit")),
    _typed("--status nobody has", "runing", "runing", "running", typed=("list", "--status")),
    _typed("--concurrency of nothing", "0", "concurrency", typed=("worker", "orders", "--concurrency")),
    _typed("--queue without a name", " ", "--queue", typed=("worker", "orders", "--queue")),
    _typed("an option nobody knows", "--sped=9", "--sped", typed=("list",)),
    _typed("a command nobody knows", None, "lst", typed=("lst",)),
    _typed("a command without its argument", None, "Missing argument", typed=("show",)),
]

EVEN_SO = [0, 0.0, "0s", timedelta(0), " 1h 30m ", "1.5h", "500ms", datetime(1970, 1, 1, tzinfo=UTC)]
"""Odd delays that make sense."""
